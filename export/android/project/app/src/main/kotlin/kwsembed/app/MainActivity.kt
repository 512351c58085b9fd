package kwsembed.app

import android.Manifest.permission.RECORD_AUDIO
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Bundle
import android.provider.Settings
import android.view.View
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.ListView
import android.widget.TextView
import java.text.DateFormat
import java.util.Date

/** The only screen: a button, the scores, and the list of detections. Listens while it can be seen. */
class MainActivity : Activity() {
    private lateinit var listening: Listening
    private lateinit var status: TextView
    private lateinit var settings: Button
    private lateinit var toggle: Button
    private lateinit var scores: TextView
    private lateinit var detections: ArrayAdapter<String>
    private var shown: List<Listening.Heard> = emptyList()
    private var denial = 0 // a text in place of "not listening", or 0

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        status = findViewById(R.id.status)
        settings = findViewById(R.id.settings)
        toggle = findViewById(R.id.toggle)
        scores = findViewById(R.id.scores)
        detections = ArrayAdapter(this, android.R.layout.simple_list_item_1)
        findViewById<ListView>(R.id.detections).adapter = detections
        toggle.setOnClickListener { if (isOn()) listening.stop() else startOrAsk() }
        settings.setOnClickListener { openSettings() }
        listening = lastNonConfigurationInstance as Listening? ?: Listening(this)
    }

    override fun onRetainNonConfigurationInstance(): Any = listening

    override fun onStart() {
        super.onStart()
        listening.onChange = ::show
        if (mayListen()) denial = 0 // as when it was allowed in the settings
        show()
    }

    override fun onStop() {
        super.onStop()
        listening.onChange = null
        // Turning the screen is no reason to stop. Leaving the app is: in the background Android gives the
        // microphone to foreground services only, and this app has none.
        if (!isChangingConfigurations) listening.stop()
    }

    private fun isOn() = listening.state == Listening.State.On || listening.state == Listening.State.Starting

    private fun mayListen() = checkSelfPermission(RECORD_AUDIO) == PackageManager.PERMISSION_GRANTED

    private fun startOrAsk() {
        denial = 0
        if (mayListen()) {
            listening.start()
        } else {
            requestPermissions(arrayOf(RECORD_AUDIO), ASK_FOR_MICROPHONE)
        }
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<String>, grantResults: IntArray) {
        super.onRequestPermissionsResult(requestCode, permissions, grantResults)
        // Without a result the question was interrupted; the user can press the button again.
        if (requestCode != ASK_FOR_MICROPHONE || grantResults.isEmpty()) return
        when {
            grantResults[0] == PackageManager.PERMISSION_GRANTED -> listening.start()
            shouldShowRequestPermissionRationale(RECORD_AUDIO) -> denial = R.string.denied
            else -> denial = R.string.denied_for_good
        }
        show()
    }

    private fun openSettings() {
        val app = Uri.fromParts("package", packageName, null)
        startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, app))
    }

    private fun show() {
        status.text = statusText()
        settings.visibility = if (denial == R.string.denied_for_good) View.VISIBLE else View.GONE
        toggle.setText(if (isOn()) R.string.stop else R.string.start)
        toggle.isEnabled = listening.state != Listening.State.Stopping
        toggle.keepScreenOn = isOn()
        scores.text = scoreLines()
        if (shown !== listening.heard) {
            shown = listening.heard
            detections.clear()
            detections.addAll(shown.map(::line))
        }
    }

    private fun statusText(): String {
        val state = when (val state = listening.state) {
            Listening.State.Off -> getString(if (denial == 0) R.string.off else denial)
            Listening.State.Starting -> getString(R.string.starting)
            Listening.State.On -> getString(if (listening.silent) R.string.silent else R.string.listening)
            Listening.State.Stopping -> getString(R.string.stopping)
            is Listening.State.Failed -> getString(R.string.failed, state.reason)
        }
        return if (listening.lostS > 0) state + "\n" + getString(R.string.lost, listening.lostS) else state
    }

    private fun scoreLines(): String {
        val bundle = listening.bundle ?: return ""
        val scores = listening.scores ?: return ""
        return bundle.eventLabels.withIndex().joinToString("\n") { (index, label) ->
            getString(R.string.score, label, scores[index], bundle.thresholds.getValue(label))
        }
    }

    private fun line(heard: Listening.Heard): String {
        val time = DateFormat.getTimeInstance(DateFormat.MEDIUM).format(Date(heard.beganAtMs))
        val detection = heard.detection
        val seconds = detection.offsetS - detection.onsetS
        return getString(R.string.detection, time, detection.label, seconds, detection.score)
    }

    private companion object {
        const val ASK_FOR_MICROPHONE = 1
    }
}
