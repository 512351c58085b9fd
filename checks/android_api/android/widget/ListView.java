package android.widget;

import android.view.View;

public class ListView extends View {
    public native ListAdapter getAdapter();
    public native void setAdapter(ListAdapter adapter);
}
