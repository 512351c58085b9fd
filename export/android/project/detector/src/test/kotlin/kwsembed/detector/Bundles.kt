package kwsembed.detector

import java.security.MessageDigest

private val model = "no model".toByteArray()

/** A description of the labels `quiet` (background) and `loud`, with what is given in place of other text. */
fun description(vararg replacements: Pair<String, String>): ByteArray {
    var text = """{
        "format": 1, "labels": ["quiet", "loud"], "background_labels": ["quiet"],
        "frontend": {"sample_rate_hz": 8}, "window_samples": 8,
        "post": {
            "hop_s": 0.5, "smoothing_windows": 1, "min_consecutive": 1, "refractory_s": 0.0, "onset_shift_s": 0.0
        },
        "operating_points": {"loud": {"threshold": 0.5}},
        "files": {"labels.txt": "${sha256("quiet\nloud\n".toByteArray())}", "model.tflite": "${sha256(model)}"}
    }"""
    for ((old, new) in replacements) {
        check(old in text) { "nothing to replace: $old" }
        text = text.replace(old, new)
    }
    val root = Json.parse(text.toByteArray()) as Map<*, *>
    return Json.canonical(root + ("sha256" to sha256(Json.canonical(root).toByteArray()))).toByteArray()
}

fun read(description: ByteArray, labels: String = "quiet\nloud\n") =
    Bundle.read(description, labels.toByteArray(), model)

fun bundleOf(hopS: Double, sampleRateHz: Int, windowSamples: Int): Bundle = read(
    description(
        "\"hop_s\": 0.5" to "\"hop_s\": $hopS",
        "\"sample_rate_hz\": 8" to "\"sample_rate_hz\": $sampleRateHz",
        "\"window_samples\": 8" to "\"window_samples\": $windowSamples",
    ),
)

private fun sha256(content: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }
