package kwsembed.detector

/**
 * Cuts a stream into the model's windows, chunk by chunk: the twin of Python's `kwsembed.runtime.windows`.
 *
 * Window k starts at sample `k * hopSamples`, so that windows overlap. Samples that no later window needs are
 * forgotten: memory does not grow with the stream.
 */
class WindowBuffer(private val windowSamples: Int, private val hopSamples: Int) {
    private var kept = FloatArray(2 * windowSamples) // from the start of the next window on
    private var size = 0
    private var unseen = 0 // samples at the end of the stream that no window held yet

    init {
        require(hopSamples in 1..windowSamples) { "the hop is not within the window: $hopSamples" }
    }

    /** Forgets the stream; the next sample is sample 0. */
    fun reset() {
        size = 0
        unseen = 0
    }

    /** Takes the next samples; returns the windows that they fill. */
    fun process(chunk: FloatArray): List<FloatArray> {
        if (size + chunk.size > kept.size) kept = kept.copyOf(2 * (size + chunk.size))
        chunk.copyInto(kept, size)
        size += chunk.size
        unseen += chunk.size
        val windows = ArrayList<FloatArray>()
        var begin = 0
        while (begin + windowSamples <= size) {
            windows.add(kept.copyOfRange(begin, begin + windowSamples))
            unseen = size - begin - windowSamples
            begin += hopSamples
        }
        kept.copyInto(kept, 0, begin, size)
        size -= begin
        return windows
    }

    /** Ends the stream: one more window, zeros behind the last sample, if samples were in no window yet. */
    fun flush(): List<FloatArray> {
        val tail = kept.copyOf(size).copyOf(windowSamples)
        val windows = if (unseen > 0) listOf(tail) else emptyList()
        reset()
        return windows
    }
}
