package kwsembed.detector

import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.concurrent.thread
import kotlin.random.Random

/**
 * Runs the app's path over a recording, with a model that another program computes: `python -m checks.android`.
 *
 * Arguments: a bundle folder, a file of 16-bit samples, their rate. Writes `w` and the samples of each window, and
 * reads its scores, all as little-endian floats; at the end `e` and the detections, as JSON.
 */
fun main(arguments: Array<String>) {
    val (folder, recording, rate) = arguments
    val (description, labels, model) =
        listOf(Bundle.DESCRIPTION_FILE, Bundle.LABELS_FILE, Bundle.MODEL_FILE).map { File(folder, it).readBytes() }
    val bundle = Bundle.read(description, labels, model)
    val out = DataOutputStream(System.out.buffered())
    val answers = DataInputStream(System.`in`.buffered())
    val scorer = Scorer { window ->
        val bytes = ByteBuffer.allocate(4 * window.size).order(ByteOrder.LITTLE_ENDIAN)
        bytes.asFloatBuffer().put(window)
        out.writeByte('w'.code)
        out.write(bytes.array())
        out.flush()
        val answer = ByteArray(4 * bundle.labels.size).also(answers::readFully)
        val scores = ByteBuffer.wrap(answer).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        FloatArray(bundle.labels.size) { scores.get(it) }
    }

    val pcm = ByteBuffer.wrap(File(recording).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()
    val queue = SampleQueue(capacity = pcm.remaining()) // a file comes faster than it can be judged
    val detections = ArrayList<List<Any>>()
    val session = Session(bundle, rate.toInt(), scorer, queue, object : SessionListener {
        override fun onScores(smoothed: DoubleArray) = Unit

        override fun onDetection(detection: Detection) {
            val numbers = listOf(detection.onsetS, detection.offsetS, detection.score)
            detections += listOf(detection.label) + numbers.map { JsonNumber(it.toString()) }
        }

        override fun onLost(seconds: Double) = error("$seconds s were lost")

        override fun onSilence(silent: Boolean) = Unit
    })
    val recorder = thread {
        val random = Random(0)
        while (pcm.hasRemaining()) {
            val chunk = ShortArray(minOf(random.nextInt(0, 5000), pcm.remaining()))
            pcm.get(chunk)
            queue.put(fromPcm16(chunk))
        }
        queue.end()
    }
    session.run()
    recorder.join()
    out.writeByte('e'.code)
    out.write(Json.canonical(detections).toByteArray())
    out.flush()
}
