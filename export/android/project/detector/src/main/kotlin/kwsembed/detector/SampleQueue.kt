package kwsembed.detector

import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/**
 * Samples on their way from the thread that records to the thread that judges: bounded, and honest about loss.
 *
 * The recording thread must never wait, or the system's own buffer overflows and samples vanish unnoticed. So
 * [put] always returns at once. Where the judging thread is too slow and the queue is full, chunks are refused
 * until it has caught up entirely, and one [Lost] takes their place: few long gaps, with audio between them that
 * is long enough for windows, instead of many short ones.
 */
class SampleQueue(private val capacity: Int) {
    /** What [take] returns. */
    sealed interface Piece

    /** The next samples. */
    class Samples(val samples: FloatArray) : Piece

    /** So many samples are missing here. */
    class Lost(val samples: Long) : Piece

    /** Nothing follows. */
    object End : Piece

    private val lock = ReentrantLock()
    private val changed = lock.newCondition()
    private val waiting = ArrayDeque<FloatArray>()
    private var size = 0
    private var lost = 0L
    private var refusing = false
    private var ended = false

    /** Adds samples, or counts them as lost; never waits. The array must not be changed afterwards. */
    fun put(samples: FloatArray): Unit = lock.withLock {
        if (ended) return
        if (refusing || size + samples.size > capacity) {
            refusing = true
            lost += samples.size
        } else {
            waiting.addLast(samples)
            size += samples.size
        }
        changed.signal()
    }

    /** Says that nothing follows; what is queued can still be taken. */
    fun end(): Unit = lock.withLock {
        ended = true
        changed.signal()
    }

    /** The next piece; waits for it. */
    fun take(): Piece = lock.withLock {
        var piece = next()
        while (piece == null) {
            changed.await()
            piece = next()
        }
        piece
    }

    private fun next(): Piece? {
        val samples = waiting.removeFirstOrNull()
        if (samples != null) {
            size -= samples.size
            return Samples(samples)
        }
        if (refusing) {
            refusing = false
            return Lost(lost).also { lost = 0 }
        }
        return if (ended) End else null
    }
}
