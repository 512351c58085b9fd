package kwsembed.detector

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets

/** A number as it is spelt in the file: checksums are taken over its very digits. */
data class JsonNumber(val text: String) {
    fun toDouble(): Double = text.toDouble()

    /** The whole number, or null if it is spelt otherwise. */
    fun toIntOrNull(): Int? = text.toIntOrNull()
}

/** Text that is no JSON, or not the JSON that was expected. */
class JsonException(message: String) : Exception(message)

/**
 * Reads JSON (RFC 8259) strictly: nothing before or behind the value, no comments, no repeated keys.
 *
 * Objects become maps in the order of the file, arrays lists, numbers [JsonNumber]; text, true, false and null
 * are themselves. `org.json` would do neither outside Android nor strictly, and it rewrites numbers.
 */
object Json {
    private const val DEEPEST = 64

    /** The value of a file in UTF-8. */
    fun parse(content: ByteArray): Any? {
        val text = try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString()
        } catch (_: CharacterCodingException) {
            throw JsonException("the text is not UTF-8")
        }
        return Reader(text).whole()
    }

    /**
     * The value in one line with sorted keys and nothing but ASCII, as Python's
     * `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes it.
     */
    fun canonical(value: Any?): String = buildString { write(value) }

    private fun StringBuilder.write(value: Any?) {
        when (value) {
            is Map<*, *> -> {
                append('{')
                val entries = value.entries.sortedWith { a, b -> byCodePoint(a.key as String, b.key as String) }
                entries.forEachIndexed { index, (key, inner) ->
                    if (index > 0) append(',')
                    write(key)
                    append(':')
                    write(inner)
                }
                append('}')
            }
            is List<*> -> {
                append('[')
                value.forEachIndexed { index, inner ->
                    if (index > 0) append(',')
                    write(inner)
                }
                append(']')
            }
            is String -> writeText(value)
            is JsonNumber -> append(value.text)
            true, false, null -> append(value)
            else -> throw IllegalArgumentException("no JSON value: $value")
        }
    }

    private fun StringBuilder.writeText(text: String) {
        append('"')
        for (char in text) {
            val short = ESCAPES.entries.firstOrNull { it.value == char && it.key != '/' }?.key
            when {
                short != null -> append('\\').append(short)
                char in ' '..'~' -> append(char)
                else -> append("\\u").append(char.code.toString(16).padStart(4, '0'))
            }
        }
        append('"')
    }

    // Python orders text by code points, String.compareTo by halves of surrogate pairs.
    private fun byCodePoint(a: String, b: String): Int {
        val (first, second) = a.codePoints().toArray() to b.codePoints().toArray()
        for (index in 0 until minOf(first.size, second.size)) {
            if (first[index] != second[index]) return first[index].compareTo(second[index])
        }
        return first.size.compareTo(second.size)
    }

    private val ESCAPES = mapOf(
        '"' to '"', '\\' to '\\', '/' to '/', 'b' to '\b', 'f' to '\u000c', 'n' to '\n', 'r' to '\r', 't' to '\t',
    )
    private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")

    private class Reader(private val text: String) {
        private var at = 0

        fun whole(): Any? {
            val value = value(0)
            skipSpace()
            if (at < text.length) fail("something behind the value")
            return value
        }

        private fun value(depth: Int): Any? {
            if (depth > DEEPEST) fail("nested too deeply")
            skipSpace()
            return when (peek()) {
                '{' -> members(depth)
                '[' -> elements(depth)
                '"' -> string()
                't' -> word("true", true)
                'f' -> word("false", false)
                'n' -> word("null", null)
                else -> number()
            }
        }

        private fun members(depth: Int): Map<String, Any?> {
            val members = LinkedHashMap<String, Any?>()
            list('}') {
                skipSpace()
                val key = string()
                skipSpace()
                expect(':')
                if (key in members) fail("the key \"$key\" occurs twice")
                members[key] = value(depth + 1)
            }
            return members
        }

        private fun elements(depth: Int): List<Any?> {
            val elements = ArrayList<Any?>()
            list(']') { elements.add(value(depth + 1)) }
            return elements
        }

        private fun list(closing: Char, element: () -> Unit) {
            at++
            skipSpace()
            if (peek() == closing) {
                at++
                return
            }
            while (true) {
                element()
                skipSpace()
                if (peek() == closing) break
                expect(',')
            }
            at++
        }

        private fun string(): String {
            expect('"')
            val result = StringBuilder()
            while (true) {
                val char = peek() ?: fail("a text without end")
                at++
                when {
                    char == '"' -> return result.toString()
                    char == '\\' -> result.append(escaped())
                    char < ' ' -> fail("a control character in a text")
                    else -> result.append(char)
                }
            }
        }

        private fun escaped(): Char {
            val char = peek() ?: fail("a text without end")
            at++
            if (char != 'u') return ESCAPES[char] ?: fail("an unknown escape")
            val digits = text.substring(at, minOf(at + 4, text.length))
            if (digits.length < 4 || digits.any { Character.digit(it, 16) < 0 || it > 'f' }) fail("a broken escape")
            at += 4
            return digits.toInt(16).toChar()
        }

        private fun number(): JsonNumber {
            val found = NUMBER.matchAt(text, at) ?: fail("no value")
            at += found.value.length
            return JsonNumber(found.value)
        }

        private fun word(word: String, value: Boolean?): Boolean? {
            if (!text.startsWith(word, at)) fail("no value")
            at += word.length
            return value
        }

        private fun expect(char: Char) {
            if (peek() != char) fail("\"$char\" expected")
            at++
        }

        private fun skipSpace() {
            while (peek().let { it == ' ' || it == '\n' || it == '\r' || it == '\t' }) at++
        }

        private fun peek(): Char? = text.getOrNull(at)

        private fun fail(what: String): Nothing = throw JsonException("$what, at character $at")
    }
}
