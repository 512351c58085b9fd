package android.media;

public class AudioRecord {
    public static final int RECORDSTATE_RECORDING = 3;
    public static final int STATE_INITIALIZED = 1;

    public AudioRecord(int audioSource, int sampleRateInHz, int channelConfig, int audioFormat, int bufferSizeInBytes)
            throws IllegalArgumentException {}

    public static native int getMinBufferSize(int sampleRateInHz, int channelConfig, int audioFormat);
    public native int getRecordingState();
    public native int getSampleRate();
    public native int getState();
    public native int read(short[] audioData, int offsetInShorts, int sizeInShorts);
    public native void release();
    public native void startRecording() throws IllegalStateException;
    public native void stop() throws IllegalStateException;
}
