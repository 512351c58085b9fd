package android.widget;

import android.content.Context;
import java.util.Collection;

public class ArrayAdapter<T> implements ListAdapter {
    public ArrayAdapter(Context context, int resource) {}

    public native void addAll(Collection<? extends T> collection);
    public native void clear();
}
