package kwsembed.detector

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What Python computed: the files that `export/android/golden.py` writes beside the tests. */
object Golden {
    val index: Map<*, *> = Json.parse(bytes("index.json")) as Map<*, *>

    fun bytes(name: String): ByteArray {
        val stream = javaClass.getResourceAsStream("/golden/$name")
        return checkNotNull(stream) { "golden/$name is missing: make the project with python -m export.android" }
            .use { it.readBytes() }
    }

    fun floats(name: String): FloatArray {
        val values = ByteBuffer.wrap(bytes(name)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(values.remaining()).also { values.get(it) }
    }

    fun shorts(name: String): ShortArray {
        val values = ByteBuffer.wrap(bytes(name)).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()
        return ShortArray(values.remaining()).also { values.get(it) }
    }
}

fun Map<*, *>.objects(key: String): List<Map<*, *>> = (this[key] as List<*>).map { it as Map<*, *> }

fun Map<*, *>.number(key: String): Double = (this[key] as JsonNumber).toDouble()

fun Map<*, *>.whole(key: String): Int = checkNotNull((this[key] as JsonNumber).toIntOrNull())

fun Map<*, *>.numbers(key: String): Map<String, Double> =
    (this[key] as Map<*, *>).entries.associate { (name, value) -> name as String to (value as JsonNumber).toDouble() }

fun postProcessing(values: Map<*, *>) = PostProcessing(
    hopS = values.number("hop_s"),
    smoothingWindows = values.whole("smoothing_windows"),
    minConsecutive = values.whole("min_consecutive"),
    refractoryS = values.number("refractory_s"),
    onsetShiftS = values.number("onset_shift_s"),
)
