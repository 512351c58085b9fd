package android.view;

public class View {
    public static final int GONE = 8;
    public static final int VISIBLE = 0;

    public interface OnClickListener {
        void onClick(View v);
    }

    public native boolean getKeepScreenOn();
    public native int getVisibility();
    public native boolean isEnabled();
    public native void setEnabled(boolean enabled);
    public native void setKeepScreenOn(boolean keepScreenOn);
    public native void setOnClickListener(OnClickListener l);
    public native void setVisibility(int visibility);
}
