package kwsembed.detector

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class EventDetectorTest {
    private val post = PostProcessing(
        hopS = 0.25, smoothingWindows = 2, minConsecutive = 1, refractoryS = 1.0, onsetShiftS = 0.0,
    )

    @Test
    fun `detections are those of Python to the last bit`() {
        val scores = Golden.floats("scores.f32")
        var at = 0
        var count = 0
        for (case in Golden.index.objects("events")) {
            val thresholds = case.numbers("thresholds")
            val labels = thresholds.keys.toList()
            val post = postProcessing(case["post"] as Map<*, *>)
            val detector = EventDetector(labels, thresholds, post, case.number("window_s"))
            val found = ArrayList<Detection>()
            repeat(case.whole("hops")) {
                found += detector.process(scores.copyOfRange(at, at + labels.size)).detections
                at += labels.size
            }
            found += detector.flush(case.number("end_s"))
            val wanted = (case["detections"] as List<*>).map { row ->
                val (label, onsetS, offsetS, score) = row as List<*>
                fun number(value: Any?) = (value as JsonNumber).toDouble()
                Detection(label as String, number(onsetS), number(offsetS), number(score))
            }
            assertEquals(wanted, found)
            count += found.size
        }
        assertEquals(scores.size, at)
        assertTrue(count > 100, "only $count detections prove little")
    }

    @Test
    fun `a run of hits is one detection around the centres of its windows`() {
        val detector = EventDetector(listOf("dog"), mapOf("dog" to 0.5), post, windowS = 1.0)
        val found = listOf(0.25f, 0.75f, 0.75f, 0f, 0f).flatMap { detector.process(floatArrayOf(it)).detections }
        assertEquals(listOf(Detection("dog", 0.625, 0.875, 0.75)), found)
    }

    @Test
    fun `a new stream begins with nothing of the old one`() {
        val detector = EventDetector(listOf("dog"), mapOf("dog" to 0.5), post, windowS = 1.0)
        repeat(2) {
            assertEquals(emptyList(), detector.process(floatArrayOf(1f)).detections)
            assertEquals(listOf(Detection("dog", 0.375, 0.625, 1.0)), detector.flush(endS = 1.0))
        }
    }

    @Test
    fun `thresholds must be there and above zero`() {
        for (thresholds in listOf(emptyMap(), mapOf("dog" to 0.0), mapOf("dog" to Double.NaN))) {
            assertFailsWith<IllegalArgumentException> { EventDetector(listOf("dog"), thresholds, post, 1.0) }
        }
        val silenced = EventDetector(listOf("dog"), mapOf("dog" to 1.5), post, windowS = 1.0)
        assertEquals(emptyList(), List(9) { silenced.process(floatArrayOf(1f)).detections }.flatten())
    }
}
