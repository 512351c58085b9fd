package kwsembed.detector

import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min

/**
 * How window scores are smoothed and where the spans of hits lie: the twin of Python's
 * `kwsembed.detection.post_processing`.
 *
 * @property hopS time from one window's start to the next one's, in seconds
 * @property smoothingWindows a score is the mean over this many windows, the current one the last of them
 * @property minConsecutive smoothed scores in a row that must reach the threshold
 * @property refractoryS after a detection closes, its label stays quiet for so long
 * @property onsetShiftS how far inside the span of hits the event lies, at either end
 */
data class PostProcessing(
    val hopS: Double,
    val smoothingWindows: Int,
    val minConsecutive: Int,
    val refractoryS: Double,
    val onsetShiftS: Double,
) {
    init {
        require(hopS.isFinite() && hopS > 0) { "hop_s is out of range: $hopS" }
        require(smoothingWindows >= 1) { "smoothing_windows is out of range: $smoothingWindows" }
        require(minConsecutive >= 1) { "min_consecutive is out of range: $minConsecutive" }
        require(refractoryS.isFinite() && refractoryS >= 0) { "refractory_s is out of range: $refractoryS" }
        require(onsetShiftS.isFinite()) { "onset_shift_s is out of range: $onsetShiftS" }
    }

    /** Hops from the hop that closes a detection to the first that may open the next. */
    val refractoryHops: Long = ceil(refractoryS / hopS - 1e-9).toLong() // 0.3 / 0.1 is 2.9999999999999996 or so

    /** Onset and offset, in seconds, of a run of hits: at least one hop apart, around the run's middle. */
    fun spanS(firstHop: Long, lastHop: Long, windowS: Double): Pair<Double, Double> {
        val beginS = centreS(firstHop, windowS)
        val endS = centreS(lastHop, windowS)
        val middleS = (beginS + endS) / 2
        val halfS = max((endS - beginS) / 2 - onsetShiftS, hopS / 2)
        return max(middleS - halfS, 0.0) to middleS + halfS
    }

    /** Where the smoothed score of a hop stands: the centre of the audio that it averages. */
    private fun centreS(hop: Long, windowS: Double): Double {
        val averaged = min(hop + 1, smoothingWindows.toLong())
        return (hop - (averaged - 1) / 2.0) * hopS + windowS / 2
    }
}
