package kwsembed.app

import android.content.Context
import android.os.Handler
import android.os.Looper
import android.os.Process
import com.google.ai.edge.litert.LiteRtException
import java.io.IOException
import kotlin.concurrent.thread
import kwsembed.detector.Bundle
import kwsembed.detector.BundleException
import kwsembed.detector.Detection
import kwsembed.detector.SampleQueue
import kwsembed.detector.Session
import kwsembed.detector.SessionListener
import kwsembed.detector.fromPcm16

/**
 * Listening and what it brought. It outlives the activity when the screen is turned; used on the main thread.
 *
 * Two threads work behind it. One reads the microphone and never waits for anything else; one judges what was
 * read. Between them is a queue that is bounded: a device that is too slow loses sound, and says so, instead of
 * filling its memory or falling behind for ever.
 */
class Listening(context: Context) {
    sealed interface State {
        data object Off : State
        data object Starting : State
        data object On : State
        data object Stopping : State
        data class Failed(val reason: String) : State
    }

    /** A detection and when it began, in milliseconds since 1970. */
    class Heard(val detection: Detection, val beganAtMs: Long)

    var state: State = State.Off
        private set
    var silent = false
        private set
    var lostS = 0.0
        private set
    var bundle: Bundle? = null
        private set

    /** Smoothed scores of the latest window, in the order of the bundle's event labels. */
    var scores: DoubleArray? = null
        private set

    /** The latest detections, the newest first; another list after each change. */
    var heard: List<Heard> = emptyList()
        private set

    /** Called after every change. */
    var onChange: (() -> Unit)? = null

    private val context = context.applicationContext
    private val main = Handler(Looper.getMainLooper())

    @Volatile
    private var wanted = false

    /** Begins to listen, unless that is under way. */
    fun start() {
        if (state != State.Off && state !is State.Failed) return
        wanted = true
        silent = false
        lostS = 0.0
        change(State.Starting)
        thread(name = "judging") { judge() }
    }

    /** Ends listening; what was recorded is still judged. */
    fun stop() {
        if (state != State.Starting && state != State.On) return
        wanted = false
        change(State.Stopping)
    }

    private fun change(to: State) {
        state = to
        onChange?.invoke()
    }

    private fun judge() {
        val end = try {
            listen()
        } catch (error: BundleException) {
            State.Failed(error.message.orEmpty())
        } catch (error: LiteRtException) {
            State.Failed(error.message.orEmpty())
        } catch (error: IOException) {
            State.Failed(context.getString(R.string.no_bundle, error.message))
        }
        main.post {
            scores = null
            silent = false
            change(end)
        }
    }

    private fun listen(): State {
        val (description, labels, model) =
            listOf(Bundle.DESCRIPTION_FILE, Bundle.LABELS_FILE, Bundle.MODEL_FILE)
                .map { name -> context.assets.open(name).use { it.readBytes() } }
        val read = Bundle.read(description, labels, model)
        LiteRtScorer.open(context.assets).use { scorer ->
            // One window of silence: a model that does not fit is refused before anything is heard.
            if (scorer.score(FloatArray(read.windowSamples)).size != read.labels.size) {
                throw BundleException("the model does not fit its bundle")
            }
            val microphone = Microphone.open() ?: return State.Failed(context.getString(R.string.no_microphone))
            val beganAtMs = System.currentTimeMillis()
            main.post {
                bundle = read
                if (state == State.Starting) change(State.On)
            }
            val queue = SampleQueue(QUEUE_S * microphone.sampleRateHz)
            var failure = 0
            val recording = thread(name = "recording") { failure = record(microphone, queue) }
            try {
                Session(read, microphone.sampleRateHz, scorer, queue, Reporter(beganAtMs)).run()
            } finally {
                wanted = false // should judging fail, the microphone must not stay open
                recording.join()
            }
            if (failure == 0) return State.Off
            return State.Failed(context.getString(R.string.microphone_failed, failure))
        }
    }

    /** Reads until nobody wants it any more; returns 0, or the code of the error that ended it. */
    private fun record(microphone: Microphone, queue: SampleQueue): Int {
        Process.setThreadPriority(Process.THREAD_PRIORITY_URGENT_AUDIO)
        microphone.use {
            val chunk = ShortArray(microphone.sampleRateHz / CHUNKS_PER_S)
            var count = 0
            while (wanted && count >= 0) {
                count = microphone.read(chunk)
                if (count > 0) queue.put(fromPcm16(chunk, count))
            }
            queue.end()
            return minOf(count, 0)
        }
    }

    /** Carries results from the judging thread to the main one. */
    private inner class Reporter(private val beganAtMs: Long) : SessionListener {
        override fun onScores(smoothed: DoubleArray) = report { scores = smoothed }

        override fun onDetection(detection: Detection) {
            val found = Heard(detection, beganAtMs + (1000 * detection.onsetS).toLong())
            report { heard = (listOf(found) + heard).take(MOST_HEARD) }
        }

        override fun onLost(seconds: Double) = report { lostS += seconds }

        override fun onSilence(silent: Boolean) = report { this@Listening.silent = silent }

        private fun report(change: () -> Unit) {
            main.post {
                change()
                onChange?.invoke()
            }
        }
    }

    private companion object {
        const val QUEUE_S = 4
        const val CHUNKS_PER_S = 20
        const val MOST_HEARD = 500
    }
}
