package kwsembed.detector

/** Scores one window: (windowSamples) in [-1, 1] to the probability of each label, in the bundle's order. */
fun interface Scorer {
    fun score(window: FloatArray): FloatArray
}

/** What a chunk brought: the last smoothed scores, if a window became full, and the detections that closed. */
class Judged(val smoothed: DoubleArray?, val detections: List<Detection>)

/**
 * The whole path from samples of any rate to detections: the twin of Python's `kwsembed.runtime.Detector`.
 *
 * Windows start at multiples of the bundle's hop from the stream's first sample. If samples at the end were in no
 * full window, one more window is judged, with zeros behind them. How the stream is cut into chunks changes
 * nothing; memory does not grow with it. Not for use by several threads.
 */
class StreamDetector(private val bundle: Bundle, private val sampleRateHz: Int, private val scorer: Scorer) {
    private val resampler = Resampler(sampleRateHz, bundle.sampleRateHz)
    private val windows = WindowBuffer(bundle.windowSamples, bundle.hopSamples)
    private val eventColumns = bundle.eventLabels.map { bundle.labels.indexOf(it) }
    private val events = EventDetector(bundle.eventLabels, bundle.thresholds, bundle.post, bundle.windowS)
    private var heard = 0L // samples

    /** Seconds of the stream so far. */
    val heardS: Double get() = heard.toDouble() / sampleRateHz

    /** Takes the next samples of one channel, in [-1, 1]. */
    fun process(samples: FloatArray): Judged {
        heard += samples.size
        return judge(windows.process(resampler.process(samples)))
    }

    /** Ends the stream: judges its tail, closes what is open, and is ready for a new stream at 0 s. */
    fun flush(): Judged {
        val rest = resampler.process(FloatArray(0), final = true)
        val last = judge(windows.process(rest) + windows.flush())
        val closed = events.flush(heardS)
        heard = 0
        return Judged(last.smoothed, last.detections + closed)
    }

    private fun judge(windows: List<FloatArray>): Judged {
        var smoothed: DoubleArray? = null
        val detections = ArrayList<Detection>()
        for (window in windows) {
            val scores = scorer.score(window)
            check(scores.size == bundle.labels.size) { "${scores.size} scores for ${bundle.labels.size} labels" }
            val hop = events.process(FloatArray(eventColumns.size) { scores[eventColumns[it]] })
            smoothed = hop.smoothed
            detections += hop.detections
        }
        return Judged(smoothed, detections)
    }
}
