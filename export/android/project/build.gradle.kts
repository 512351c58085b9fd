// The Android plugin compiles the app's Kotlin with the newest Kotlin plugin it finds here. Kotlin is the version
// that LiteRT's library may have been compiled with; gradle/wrapper has the Gradle that this Android plugin needs.
plugins {
    id("com.android.application") version "9.1.1" apply false
    id("org.jetbrains.kotlin.jvm") version "2.4.20" apply false
}
