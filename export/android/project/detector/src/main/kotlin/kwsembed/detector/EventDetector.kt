package kwsembed.detector

import kotlin.math.max
import kotlin.math.min

/** One reported event: onset and offset in seconds from the stream's start, and the peak smoothed score. */
data class Detection(val label: String, val onsetS: Double, val offsetS: Double, val score: Double)

/** What one hop brought: smoothed scores in the order of the event labels, and the detections that closed. */
class JudgedHop(val smoothed: DoubleArray, val detections: List<Detection>)

/**
 * From window scores to detections, hop by hop: the twin of Python's `kwsembed.detection.events.EventDetector`,
 * equal to the last bit.
 *
 * A label opens at the first of `minConsecutive` smoothed scores in a row that reach its threshold, all at least
 * `refractoryS` after it last closed; it closes at the first smoothed score below, and is reported.
 *
 * @param labels event labels, in the order of the scores that are given
 * @param thresholds a number above 0 for each label; above 1 it silences its label
 * @param windowS length of a window in seconds
 */
class EventDetector(
    private val labels: List<String>,
    thresholds: Map<String, Double>,
    private val post: PostProcessing,
    private val windowS: Double,
) {
    private val thresholds = labels.map { label ->
        val threshold = requireNotNull(thresholds[label]) { "there is no threshold for $label" }
        require(threshold.isFinite() && threshold > 0) { "the threshold of $label is out of range: $threshold" }
        threshold
    }
    private val history = ArrayDeque<FloatArray>() // scores of the last smoothingWindows hops, the newest first
    private var tracks = newTracks()
    private var hops = 0L

    /** Forgets the stream; the next scores start at 0 s. */
    fun reset() {
        history.clear()
        tracks = newTracks()
        hops = 0
    }

    /** Takes the scores of the next window. */
    fun process(scores: FloatArray): JudgedHop {
        require(scores.size == labels.size) { "${scores.size} scores for ${labels.size} labels" }
        history.addFirst(scores.copyOf())
        if (history.size > post.smoothingWindows) history.removeLast()
        val smoothed = DoubleArray(labels.size) { label ->
            var total = 0.0 // always added up newest first, as Python does, so that not even the last bit differs
            for (row in history) total += row[label].toDouble()
            total / history.size
        }
        val detections = advance(smoothed)
        hops++
        return JudgedHop(smoothed, detections)
    }

    /** Ends the stream of `endS` seconds, which no detection outlasts: closes what is open, then resets. */
    fun flush(endS: Double): List<Detection> {
        val found = advance(DoubleArray(labels.size) { Double.NEGATIVE_INFINITY })
        reset()
        val latestS = max(endS - post.hopS, 0.0)
        return found.map { it.copy(onsetS = min(it.onsetS, latestS), offsetS = min(it.offsetS, endS)) }
    }

    private fun advance(smoothed: DoubleArray): List<Detection> = labels.indices.mapNotNull { index ->
        tracks[index].advance(smoothed[index], hops)?.let { run ->
            val (onsetS, offsetS) = post.spanS(run.firstHop, run.lastHop, windowS)
            Detection(labels[index], onsetS, offsetS, run.peak)
        }
    }

    private fun newTracks() = thresholds.map { Track(it, post) }
}

private class Run(val firstHop: Long, val lastHop: Long, val peak: Double)

/** Finds the runs of hits of one label; hops are counted from the stream's start. */
private class Track(private val threshold: Double, private val post: PostProcessing) {
    private var begin: Long? = null // first counted hop of the run under way
    private var peak = Double.NEGATIVE_INFINITY
    private var ready = 0L // first hop past the refractory time

    /** Takes the smoothed score of the next hop; returns the run that it closes, or null. */
    fun advance(smoothed: Double, hop: Long): Run? {
        if (smoothed >= threshold) {
            val first = begin ?: max(hop, ready).also {
                begin = it
                peak = Double.NEGATIVE_INFINITY
            }
            if (hop >= first) peak = max(peak, smoothed)
            return null
        }
        val first = begin ?: return null
        begin = null
        if (hop - first < post.minConsecutive) return null
        ready = hop + post.refractoryHops
        return Run(first, hop - 1, peak)
    }
}
