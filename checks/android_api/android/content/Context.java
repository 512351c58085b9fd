package android.content;

import android.content.res.AssetManager;

public abstract class Context {
    public native int checkSelfPermission(String permission);
    public native Context getApplicationContext();
    public native AssetManager getAssets();
    public native String getPackageName();
    public final native String getString(int resId);
    public final native String getString(int resId, Object... formatArgs);
}
