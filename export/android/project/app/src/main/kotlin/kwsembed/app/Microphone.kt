package kwsembed.app

import android.annotation.SuppressLint
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder

/**
 * The microphone, recording: 16 bits, one channel, at the device's own rate.
 *
 * The source is VOICE_RECOGNITION: Android asks devices for a flat response there, and for no automatic gain or noise
 * suppression, which would remove what is to be heard. The detector resamples, as in training.
 */
class Microphone private constructor(private val record: AudioRecord) : AutoCloseable {
    val sampleRateHz: Int = record.sampleRate

    /** Waits until the chunk is full; returns the samples read, or an error code below 0. */
    fun read(chunk: ShortArray): Int = record.read(chunk, 0, chunk.size)

    override fun close() {
        record.stop()
        record.release()
    }

    companion object {
        private val RATES_HZ = listOf(48000, 44100, 16000)
        private const val BUFFER_S = 1 // what the system keeps while the reading thread is held up
        private const val BYTES_PER_SAMPLE = 2

        /** Opens the microphone and starts it; null where that is not possible. */
        fun open(): Microphone? = RATES_HZ.firstNotNullOfOrNull(::started)

        // Without the permission, which the activity asks for, a record is not initialised: null.
        @SuppressLint("MissingPermission")
        private fun started(rateHz: Int): Microphone? {
            val channel = AudioFormat.CHANNEL_IN_MONO
            val encoding = AudioFormat.ENCODING_PCM_16BIT
            val least = AudioRecord.getMinBufferSize(rateHz, channel, encoding)
            if (least <= 0) return null // the rate is not supported
            val bytes = maxOf(least, BUFFER_S * rateHz * BYTES_PER_SAMPLE)
            val record = AudioRecord(MediaRecorder.AudioSource.VOICE_RECOGNITION, rateHz, channel, encoding, bytes)
            if (record.state == AudioRecord.STATE_INITIALIZED) {
                record.startRecording()
                if (record.recordingState == AudioRecord.RECORDSTATE_RECORDING) return Microphone(record)
            }
            record.release()
            return null
        }
    }
}
