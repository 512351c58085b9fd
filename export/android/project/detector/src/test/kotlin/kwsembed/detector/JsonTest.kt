package kwsembed.detector

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class JsonTest {
    private fun parse(text: String) = Json.parse(text.toByteArray())

    @Test
    fun `values are read as they are`() {
        val wanted = mapOf(
            "a" to listOf(JsonNumber("1"), JsonNumber("-0.5e+3"), true, false, null),
            "b" to "\"\\/\b\u000c\n\r\té🐶",
            "c" to emptyMap<String, Any?>(),
            "d" to emptyList<Any?>(),
        )
        val escaped = """ "\"\\\/\b\f\n\r\t\u00e9\uD83D\udc36" """
        val text = """ { "a" : [1, -0.5e+3,true,false ,null], "b":$escaped,"c":{ },"d":[ ]}  """
        assertEquals(wanted, parse(text))
        assertEquals(-500.0, JsonNumber("-0.5e+3").toDouble())
        assertEquals(null, JsonNumber("1.0").toIntOrNull())
    }

    @Test
    fun `what is no JSON is refused`() {
        val broken = listOf(
            "", " ", "{", "[1,]", "[1 2]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{\"a\":1,\"a\":2}",
            "'a'", "\"a", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\u+123\"",
            "01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "nul", "truex",
            "1 2", "// a\n1", "[".repeat(100) + "]".repeat(100), "\uFEFF1",
        )
        for (text in broken) assertFailsWith<JsonException>(text) { parse(text) }
        assertFailsWith<JsonException> { Json.parse(byteArrayOf('"'.code.toByte(), -1, '"'.code.toByte())) }
    }

    @Test
    fun `canonical text is sorted, dense and in ASCII`() {
        val text = """{"b": [1.50, null, "é\u007f\n/"], "a": {"\uff21": true, "\ud83d\udc36": false}}"""
        val wanted = """{"a":{"\uff21":true,"\ud83d\udc36":false},"b":[1.50,null,"\u00e9\u007f\n/"]}"""
        assertEquals(wanted, Json.canonical(parse(text)))
    }
}
