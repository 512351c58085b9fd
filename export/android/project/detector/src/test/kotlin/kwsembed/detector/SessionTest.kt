package kwsembed.detector

import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue

class SessionTest {
    private class Seen : SessionListener {
        val detections = ArrayList<Detection>()
        val lostS = ArrayList<Double>()
        val silences = ArrayList<Boolean>()
        val firstLoss = CountDownLatch(1)
        var scores = 0

        override fun onScores(smoothed: DoubleArray) {
            scores++
        }

        override fun onDetection(detection: Detection) {
            detections += detection
        }

        override fun onLost(seconds: Double) {
            lostS += seconds
            firstLoss.countDown()
        }

        override fun onSilence(silent: Boolean) {
            silences += silent
        }
    }

    private val bundle = bundleOf(hopS = 0.5, sampleRateHz = 8, windowSamples = 8)
    private val loudness = Scorer { window -> window.max().let { floatArrayOf(1 - it, it) } }

    @Test
    fun `a full queue refuses until it has been emptied and says how much is missing`() {
        val queue = SampleQueue(capacity = 4)
        queue.put(floatArrayOf(1f, 2f, 3f))
        queue.put(floatArrayOf(4f, 5f)) // does not fit
        assertContentEquals(floatArrayOf(1f, 2f, 3f), assertIs<SampleQueue.Samples>(queue.take()).samples)
        queue.put(floatArrayOf(6f)) // would fit, but the gap is still open
        assertEquals(3, assertIs<SampleQueue.Lost>(queue.take()).samples)
        queue.put(floatArrayOf(7f))
        queue.end()
        queue.put(floatArrayOf(8f)) // too late
        assertContentEquals(floatArrayOf(7f), assertIs<SampleQueue.Samples>(queue.take()).samples)
        assertEquals(SampleQueue.End, queue.take())
        assertEquals(SampleQueue.End, queue.take())
    }

    @Test
    fun `one thread records while another judges`() {
        val queue = SampleQueue(capacity = 1000)
        val seen = Seen()
        val judging = thread { Session(bundle, 8, loudness, queue, seen).run() }
        repeat(6) { second ->
            queue.put(FloatArray(8) { if (second == 2) 1f else 0.001f })
            Thread.sleep(1)
        }
        queue.end()
        judging.join()
        // Windows from 1.5 to 2.5 s on and up to 2.5 to 3.5 s hold the loud second; they stand at their centres.
        assertEquals(listOf(Detection("loud", 2.0, 3.0, 1.0)), seen.detections)
        assertEquals(6, seen.scores, "once for each chunk, after its last window")
    }

    @Test
    fun `behind a gap a new stream begins and times stay true`() {
        val queue = SampleQueue(capacity = 24)
        val seen = Seen()
        queue.put(FloatArray(12) { 0.5f })
        queue.put(FloatArray(12) { 0.25f })
        queue.put(FloatArray(80)) // ten seconds that do not fit
        val judging = thread { Session(bundle, 8, loudness, queue, seen).run() }
        seen.firstLoss.await()
        queue.put(FloatArray(8) { 1f })
        queue.put(FloatArray(8))
        queue.end()
        judging.join()
        assertEquals(listOf(10.0), seen.lostS)
        assertEquals(2, seen.detections.size)
        assertTrue(seen.detections[0].offsetS <= 3.0, "what was open ends at the gap")
        assertEquals(13.5, seen.detections[1].onsetS)
    }

    @Test
    fun `pure silence is noticed and its end too`() {
        val watch = SilenceWatch(sampleRateHz = 10, afterS = 1.0)
        assertEquals(false, watch.process(FloatArray(9)))
        assertEquals(true, watch.process(FloatArray(1)))
        assertEquals(true, watch.silent)
        assertEquals(false, watch.process(FloatArray(50)))
        assertEquals(true, watch.process(floatArrayOf(1e-4f, 0f, 0f)))
        assertEquals(false, watch.silent)
        assertEquals(false, watch.process(FloatArray(7)))
        assertEquals(true, watch.process(FloatArray(1)), "the zeros before count")
    }
}
