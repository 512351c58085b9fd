package kwsembed.detector

/** What a [Session] reports, on the thread that runs it. Times are seconds since listening began. */
interface SessionListener {
    /** Smoothed scores after the latest window, in the order of the bundle's event labels. */
    fun onScores(smoothed: DoubleArray)

    /** An event has ended. */
    fun onDetection(detection: Detection)

    /** The device was too slow: so many seconds were not heard. */
    fun onLost(seconds: Double)

    /** Whether the microphone gives pure silence, as when it is switched off or lent to another app. */
    fun onSilence(silent: Boolean)
}

/**
 * Judges everything that comes out of a queue, until its end.
 *
 * Where samples were lost, the stream ends and a new one begins behind the gap, so that no window spans it and
 * times stay true.
 */
class Session(
    bundle: Bundle,
    private val sampleRateHz: Int,
    scorer: Scorer,
    private val queue: SampleQueue,
    private val listener: SessionListener,
) {
    private val detector = StreamDetector(bundle, sampleRateHz, scorer)
    private val silence = SilenceWatch(sampleRateHz)
    private var streamBeganS = 0.0

    /** Returns when the queue has ended and its last samples are judged. */
    fun run() {
        while (true) {
            when (val piece = queue.take()) {
                is SampleQueue.Samples -> {
                    if (silence.process(piece.samples)) listener.onSilence(silence.silent)
                    report(detector.process(piece.samples))
                }
                is SampleQueue.Lost -> {
                    val lostS = piece.samples.toDouble() / sampleRateHz
                    val heardS = detector.heardS
                    report(detector.flush())
                    streamBeganS += heardS + lostS
                    listener.onLost(lostS)
                }
                SampleQueue.End -> return report(detector.flush())
            }
        }
    }

    private fun report(judged: Judged) {
        judged.smoothed?.let(listener::onScores)
        for (found in judged.detections) {
            listener.onDetection(
                found.copy(onsetS = found.onsetS + streamBeganS, offsetS = found.offsetS + streamBeganS),
            )
        }
    }
}

/** Tells a microphone that gives nothing but zeros from a quiet room, where the last bits always move. */
class SilenceWatch(sampleRateHz: Int, afterS: Double = 2.0) {
    private val enough = (afterS * sampleRateHz).toLong()
    private var zeros = 0L

    /** Whether nothing but zeros came lately. */
    var silent = false
        private set

    /** Takes the next samples; returns whether [silent] has changed. */
    fun process(samples: FloatArray): Boolean {
        val last = samples.indexOfLast { it != 0f }
        zeros = if (last < 0) zeros + samples.size else (samples.size - 1 - last).toLong()
        val before = silent
        silent = zeros >= enough
        return silent != before
    }
}

/** 16-bit samples as floats in [-1, 1), as Python reads them. */
fun fromPcm16(samples: ShortArray, count: Int = samples.size): FloatArray = FloatArray(count) { samples[it] / 32768f }
