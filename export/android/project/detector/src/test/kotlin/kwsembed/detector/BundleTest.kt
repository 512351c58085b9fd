package kwsembed.detector

import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class BundleTest {
    private val names = listOf("bundle.json", "labels.txt", "model.tflite")
    private val golden = names.map { Golden.bytes("bundle/$it") }

    @Test
    fun `a bundle says what Python reads in it`() {
        val wanted = Golden.index["bundle"] as Map<*, *>
        val bundle = Bundle.read(golden[0], golden[1], golden[2])
        assertEquals(wanted["labels"], bundle.labels)
        assertEquals(wanted["background_labels"], bundle.backgroundLabels)
        assertEquals(wanted["event_labels"], bundle.eventLabels)
        assertEquals(wanted.numbers("thresholds"), bundle.thresholds)
        assertEquals(wanted.whole("sample_rate_hz"), bundle.sampleRateHz)
        assertEquals(wanted.whole("window_samples"), bundle.windowSamples)
        assertEquals(wanted.whole("hop_samples"), bundle.hopSamples)
        assertEquals(postProcessing(wanted["post"] as Map<*, *>), bundle.post)
    }

    @Test
    fun `the app's own bundle can be used`() {
        val assets = File("../app/src/main/assets")
        if (!File(assets, "bundle.json").exists()) return println("no bundle in $assets yet: nothing to read")
        val (description, labels, model) = names.map { File(assets, it).readBytes() }
        assertTrue(Bundle.read(description, labels, model).eventLabels.isNotEmpty())
    }

    @Test
    fun `a changed file is refused by name`() {
        for ((index, name) in names.withIndex()) {
            val files = golden.map { it.copyOf() }
            val hop = files[0].toString(Charsets.ISO_8859_1).indexOf("0.125")
            files[index][if (index == 0) hop + 4 else files[index].size - 2]++
            val error = assertFailsWith<BundleException> { Bundle.read(files[0], files[1], files[2]) }
            assertContains(error.message!!, "$name was changed")
        }
    }

    @Test
    fun `the layout of the description does not matter`() {
        val root = Json.parse(golden[0]) as Map<*, *>
        val inOneLine = Json.canonical(root).toByteArray()
        assertEquals(root["labels"], Bundle.read(inOneLine, golden[1], golden[2]).labels)
    }

    @Test
    fun `what does not fit together is refused`() {
        assertEquals(listOf("loud"), read(description()).eventLabels)
        val refused = mapOf(
            "newer" to ("\"format\": 1" to "\"format\": 2"),
            "unknown post-processing setting: fade_s" to ("\"hop_s\": 0.5" to "\"hop_s\": 0.5, \"fade_s\": 1"),
            "the hop is no whole number" to ("\"hop_s\": 0.5" to "\"hop_s\": 0.51"),
            "smoothing_windows is no whole number" to ("\"smoothing_windows\": 1" to "\"smoothing_windows\": 1.5"),
            "smoothing_windows is out of range" to ("\"smoothing_windows\": 1" to "\"smoothing_windows\": 0"),
            "the threshold of loud is out of range" to ("\"threshold\": 0.5" to "\"threshold\": 0"),
            "operating points and event labels differ" to ("{\"loud\": {" to "{\"quiet\": {"),
            "a background label is none of the labels" to
                ("\"background_labels\": [\"quiet\"]" to "\"background_labels\": [\"noise\"]"),
            "a label occurs twice" to ("\"labels\": [\"quiet\", \"loud\"]" to "\"labels\": [\"quiet\", \"quiet\"]"),
            "frontend is no object" to ("\"frontend\": {\"sample_rate_hz\": 8}" to "\"frontend\": null"),
        )
        for ((reason, replacement) in refused) {
            val error = assertFailsWith<BundleException>(reason) { read(description(replacement)) }
            assertContains(error.message!!, reason)
        }
        val other = assertFailsWith<BundleException> { read(description(), labels = "loud\nquiet\n") }
        assertContains(other.message!!, "labels.txt was changed")
        for (text in listOf("", "{}", "[1]", "{\"format\": 1, \"sha256\": \"\"}", "\u0000")) {
            assertFailsWith<BundleException>(text) { read(text.toByteArray()) }
        }
    }
}
