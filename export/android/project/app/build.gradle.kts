plugins {
    id("com.android.application")
}

android {
    namespace = "kwsembed.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "com.example.kwsembed" // choose your own before you publish
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    androidResources {
        noCompress += "tflite" // so that the model can be mapped into memory
    }
}

dependencies {
    implementation(project(":detector"))
    implementation("com.google.ai.edge.litert:litert:2.3.0")
}
