package kwsembed.detector

import java.security.MessageDigest
import kotlin.math.abs
import kotlin.math.roundToInt

/** A bundle that cannot be used, and why. */
class BundleException(message: String) : Exception(message)

/**
 * What a bundle says about its model: the twin of Python's `kwsembed.bundle.Bundle`; [read] makes it.
 *
 * @property labels all labels, in the order of the model's outputs
 * @property backgroundLabels those that are never reported
 * @property sampleRateHz rate of the model's waveform
 * @property windowSamples length of the model's input
 * @property post from window scores to detections
 * @property thresholds one for each event label; a smoothed score that reaches it is a hit
 */
class Bundle private constructor(
    val labels: List<String>,
    val backgroundLabels: List<String>,
    val sampleRateHz: Int,
    val windowSamples: Int,
    val post: PostProcessing,
    val thresholds: Map<String, Double>,
) {
    /** Labels that are reported, in the order of [labels]. */
    val eventLabels: List<String> = labels - backgroundLabels.toSet()

    /** Length of a window in seconds. */
    val windowS: Double = windowSamples.toDouble() / sampleRateHz

    /** Distance of window starts in samples of the model's rate. */
    val hopSamples: Int = (post.hopS * sampleRateHz).roundToInt()

    init {
        demand(labels.isNotEmpty(), "there are no labels")
        demand(labels.toSet().size == labels.size, "a label occurs twice")
        demand(labels.all { it.isNotEmpty() && it == it.trim() && '\n' !in it }, "a label is no line of text")
        demand(labels.containsAll(backgroundLabels), "a background label is none of the labels")
        demand(thresholds.keys == eventLabels.toSet(), "operating points and event labels differ")
        for ((label, threshold) in thresholds) {
            demand(threshold.isFinite() && threshold > 0, "the threshold of $label is out of range: $threshold")
        }
        demand(sampleRateHz >= 1 && windowSamples >= 1, "the window is too short")
        demand(
            abs(post.hopS * sampleRateHz - hopSamples) < 1e-6 && hopSamples in 1..windowSamples,
            "the hop is no whole number of samples within the window",
        )
    }

    companion object {
        /** Names of the files, as Python writes them. */
        const val MODEL_FILE = "model.tflite"
        const val LABELS_FILE = "labels.txt"
        const val DESCRIPTION_FILE = "bundle.json"

        private const val FORMAT = 1

        /**
         * Reads a bundle from the content of its three files.
         *
         * @throws BundleException a file was changed after it was written, the format is newer than this code,
         *   or the parts do not fit together
         */
        fun read(description: ByteArray, labels: ByteArray, model: ByteArray): Bundle {
            val root = try {
                Json.parse(description) as? Map<*, *>
            } catch (error: JsonException) {
                throw BundleException("$DESCRIPTION_FILE is damaged: ${error.message}")
            }
            if (root == null || "format" !in root || "sha256" !in root) {
                throw BundleException("$DESCRIPTION_FILE is damaged")
            }
            val format = (root["format"] as? JsonNumber)?.toIntOrNull()
            demand(format != null && format <= FORMAT, "its format is newer than this app reads")
            demand(root["sha256"] == sha256(Json.canonical(root - "sha256").toByteArray()), changed(DESCRIPTION_FILE))
            return try {
                val files = root.objectAt("files")
                demand(files[LABELS_FILE] == sha256(labels), changed(LABELS_FILE))
                demand(files[MODEL_FILE] == sha256(model), changed(MODEL_FILE))
                val bundle = described(root)
                val lines = labels.toString(Charsets.UTF_8).removeSuffix("\n").split('\n')
                demand(lines == bundle.labels, "$LABELS_FILE and $DESCRIPTION_FILE list different labels")
                bundle
            } catch (error: JsonException) {
                throw BundleException("$DESCRIPTION_FILE does not describe a bundle: ${error.message}")
            } catch (error: IllegalArgumentException) {
                throw BundleException("$DESCRIPTION_FILE does not describe a bundle: ${error.message}")
            }
        }

        private fun described(root: Map<*, *>): Bundle {
            val post = root.objectAt("post")
            // A setting that this code does not know would change what is detected.
            val unknown = post.keys - POST_SETTINGS
            demand(unknown.isEmpty(), "unknown post-processing setting: ${unknown.joinToString()}")
            return Bundle(
                labels = root.textsAt("labels"),
                backgroundLabels = root.textsAt("background_labels"),
                sampleRateHz = root.objectAt("frontend").wholeAt("sample_rate_hz"),
                windowSamples = root.wholeAt("window_samples"),
                post = PostProcessing(
                    hopS = post.numberAt("hop_s"),
                    smoothingWindows = post.wholeAt("smoothing_windows"),
                    minConsecutive = post.wholeAt("min_consecutive"),
                    refractoryS = post.numberAt("refractory_s"),
                    onsetShiftS = post.numberAt("onset_shift_s"),
                ),
                thresholds = root.objectAt("operating_points").entries.associate { (label, point) ->
                    val values = point as? Map<*, *> ?: throw JsonException("no operating point: $label")
                    label as String to values.numberAt("threshold")
                },
            )
        }

        private val POST_SETTINGS =
            setOf("hop_s", "smoothing_windows", "min_consecutive", "refractory_s", "onset_shift_s")

        private fun changed(file: String) = "$file was changed after it was written; copy the bundle again, whole"

        private fun demand(condition: Boolean, otherwise: String) {
            if (!condition) throw BundleException(otherwise)
        }

        private fun sha256(content: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }

        private fun Map<*, *>.objectAt(key: String): Map<*, *> =
            this[key] as? Map<*, *> ?: throw JsonException("$key is no object")

        private fun Map<*, *>.textsAt(key: String): List<String> =
            (this[key] as? List<*> ?: throw JsonException("$key is no list"))
                .map { it as? String ?: throw JsonException("$key holds what is no text") }

        private fun Map<*, *>.numberAt(key: String): Double =
            (this[key] as? JsonNumber ?: throw JsonException("$key is no number")).toDouble()

        private fun Map<*, *>.wholeAt(key: String): Int =
            (this[key] as? JsonNumber)?.toIntOrNull() ?: throw JsonException("$key is no whole number")
    }
}
