package android.app;

import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.view.View;

public class Activity extends Context {
    public native Object getLastNonConfigurationInstance();
    public native boolean isChangingConfigurations();
    protected native void onCreate(Bundle savedInstanceState);
    public native void onRequestPermissionsResult(int requestCode, String[] permissions, int[] grantResults);
    public native Object onRetainNonConfigurationInstance();
    protected native void onStart();
    protected native void onStop();
    public native void requestPermissions(String[] permissions, int requestCode);
    public native void setContentView(int layoutResID);
    public native boolean shouldShowRequestPermissionRationale(String permission);
    public native void startActivity(Intent intent);
    public native <T extends View> T findViewById(int id);
}
