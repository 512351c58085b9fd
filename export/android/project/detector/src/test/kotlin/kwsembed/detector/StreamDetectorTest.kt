package kwsembed.detector

import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class StreamDetectorTest {
    private val windowSamples = 4000
    private val hopSamples = 500

    @Test
    fun `windows of sound in odd chunks hold what Python hears, quiet and loud`() {
        for (stream in Golden.index.objects("streams")) {
            val name = stream["name"] as String
            val pcm = Golden.shorts("$name.pcm")
            val wanted = Golden.floats("$name.f32")
            val windows = windowsOf(pcm, stream.whole("rate_hz"), chunkSizes(stream))
            assertEquals(stream.whole("windows"), windows.size, name)
            val peak = wanted.maxOf(::abs)
            windows.forEachIndexed { k, window ->
                val expected = wanted.copyOfRange(k * hopSamples, minOf(k * hopSamples + windowSamples, wanted.size))
                val difference = window.indices.maxOf { abs(window[it] - expected.getOrElse(it) { 0f }) }
                // At the model's own rate nothing is computed; else floats are added up in another order.
                val allowed = if (stream.whole("rate_hz") == 16000) 0f else 2e-6f * peak
                assertTrue(difference <= allowed, "$name: window $k differs by $difference, peak $peak")
            }
        }
    }

    @Test
    fun `chunks change no bit`() {
        for (stream in Golden.index.objects("streams")) {
            val pcm = Golden.shorts("${stream["name"]}.pcm")
            val rateHz = stream.whole("rate_hz")
            val whole = windowsOf(pcm, rateHz, sequenceOf(pcm.size))
            val chunked = windowsOf(pcm, rateHz, chunkSizes(stream))
            assertEquals(whole.size, chunked.size)
            for ((a, b) in whole zip chunked) assertContentEquals(a, b)
        }
    }

    @Test
    fun `windows overlap and the tail is judged once more, with zeros behind it`() {
        val buffer = WindowBuffer(4, 2)
        val windows = buffer.process(floatArrayOf(1f, 2f, 3f, 4f, 5f)) + buffer.process(floatArrayOf(6f, 7f))
        val wanted = listOf(listOf(1f, 2f, 3f, 4f), listOf(3f, 4f, 5f, 6f), listOf(5f, 6f, 7f, 0f))
        assertEquals(wanted, (windows + buffer.flush()).map { it.toList() })
        assertEquals(emptyList(), buffer.flush())
        buffer.process(floatArrayOf(1f, 2f, 3f, 4f))
        assertEquals(emptyList(), buffer.flush(), "every sample was in a window")
    }

    @Test
    fun `the whole path keeps time and ends with the recording`() {
        val bundle = bundleOf(hopS = 0.5, sampleRateHz = 8, windowSamples = 8)
        val detector = StreamDetector(bundle, 8) { window -> window.max().let { floatArrayOf(1 - it, it) } }
        repeat(2) {
            assertEquals(emptyList(), detector.process(FloatArray(13)).detections)
            val last = detector.process(floatArrayOf(1f))
            assertEquals(emptyList(), last.detections)
            assertEquals(listOf(Detection("loud", 1.25, 1.75, 1.0)), detector.flush().detections)
        }
    }

    private fun windowsOf(pcm: ShortArray, rateHz: Int, chunks: Sequence<Int>): List<FloatArray> {
        val windows = ArrayList<FloatArray>()
        val bundle = bundleOf(hopS = hopSamples / 16000.0, sampleRateHz = 16000, windowSamples = windowSamples)
        val detector = StreamDetector(bundle, rateHz) { window ->
            windows.add(window)
            FloatArray(2)
        }
        val samples = fromPcm16(pcm)
        var at = 0
        for (size in chunks) {
            if (at == samples.size) break
            val end = minOf(at + size, samples.size)
            detector.process(samples.copyOfRange(at, end))
            at = end
        }
        detector.flush()
        return windows
    }

    private fun chunkSizes(stream: Map<*, *>): Sequence<Int> {
        val sizes = (stream["chunks"] as List<*>).map { checkNotNull((it as JsonNumber).toIntOrNull()) }
        return generateSequence(0) { it + 1 }.map { sizes[it % sizes.size] }
    }
}
