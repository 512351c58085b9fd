package kwsembed.detector

import kotlin.math.PI
import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.sin
import kotlin.math.sqrt

/**
 * Band-limited resampling of a stream by a windowed sinc: the filter of Python's `kwsembed.audio.resample`, so
 * that the app hears what training heard, on every phone. How the stream is cut into chunks changes nothing.
 *
 * Output k lies at the time of input `k * down / up`: no delay, and `ceil(n * up / down)` outputs for n inputs.
 */
class Resampler(rateInHz: Int, rateOutHz: Int) {
    private val up: Int
    private val down: Int
    private val half: Int
    private val phases: Array<FloatArray>? // null where the rates are equal
    private var heard = 0L // inputs so far
    private var given = 0L // outputs so far
    private var kept = FloatArray(0)
    private var keptFrom = 0L // index of the first kept input

    init {
        for (rate in listOf(rateInHz, rateOutHz)) {
            require(rate in 1..1_000_000) { "the sample rate cannot be used: $rate Hz" }
        }
        val divisor = greatestCommonDivisor(rateInHz, rateOutHz)
        up = rateOutHz / divisor
        down = rateInHz / divisor
        half = ceil(HALF_WIDTH * max(1.0, down.toDouble() / up)).toInt()
        phases = if (up == down) null else phases(up, down, half)
        reset()
    }

    /** Forgets the stream and begins a new one. */
    fun reset() {
        heard = 0
        given = 0
        keptFrom = -half.toLong() // silence came before the stream
        kept = FloatArray(half)
    }

    /** Takes the next samples and returns the outputs that they complete; `final` also ends the stream. */
    fun process(chunk: FloatArray, final: Boolean = false): FloatArray {
        if (phases == null) return chunk.copyOf()
        heard += chunk.size
        kept += chunk
        // Output k needs inputs up to k * down / up + half; after the end those are zero.
        val known = if (final) heard else max(0L, heard - half)
        val ready = max(given, (known * up + down - 1) / down)
        if (final) kept += FloatArray(half + 1)
        val out = outputs(phases, ready)
        if (final) reset()
        return out
    }

    private fun outputs(phases: Array<FloatArray>, ready: Long): FloatArray {
        val out = FloatArray((ready - given).toInt())
        for (index in out.indices) {
            val position = (given + index) * down
            val taps = phases[(position % up).toInt()]
            val begin = (position / up - half - keptFrom).toInt()
            var total = 0.0
            for (tap in taps.indices) total += kept[begin + tap].toDouble() * taps[tap]
            out[index] = total.toFloat()
        }
        given = ready
        val needed = ready * down / up - half
        kept = kept.copyOfRange((needed - keptFrom).toInt(), kept.size)
        keptFrom = needed
        return out
    }

    private companion object {
        const val HALF_WIDTH = 51 // of the filter, in samples of the lower rate
        const val CUTOFF = 0.475 // of the lower rate, the middle of the transition band
        const val KAISER_BETA = 7.95 // 80 dB

        /** Row p holds the taps of outputs that lie p / up after an input, for the earliest input first. */
        fun phases(up: Int, down: Int, half: Int): Array<FloatArray> {
            val taps = designFilter(up, down)
            val centre = (taps.size - 1) / 2
            return Array(up) { phase ->
                FloatArray(2 * half + 1) { index ->
                    taps.getOrElse(phase - (index - half) * up + centre) { 0.0 }.toFloat()
                }
            }
        }

        /** Taps of the low-pass at `up` times the input rate, symmetric, adding up to `up`. */
        fun designFilter(up: Int, down: Int): DoubleArray {
            val longer = max(up, down)
            val half = HALF_WIDTH * longer
            val taps = DoubleArray(2 * half + 1) { index ->
                val time = (index - half).toDouble() / longer
                val position = (index - half).toDouble() / half
                sinc(2 * CUTOFF * time) * besselI0(KAISER_BETA * sqrt(1 - position * position)) / besselI0(KAISER_BETA)
            }
            val sum = taps.sum()
            return DoubleArray(taps.size) { taps[it] * up / sum }
        }

        /** Modified Bessel function of the first kind, order 0, by its power series. */
        fun besselI0(x: Double): Double {
            val quarter = x * x / 4
            var term = 1.0
            var sum = 1.0
            var k = 1
            while (term > sum * 1e-17) {
                term *= quarter / (k.toDouble() * k)
                sum += term
                k++
            }
            return sum
        }

        fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(PI * x) / (PI * x)

        tailrec fun greatestCommonDivisor(a: Int, b: Int): Int = if (b == 0) a else greatestCommonDivisor(b, a % b)
    }
}
