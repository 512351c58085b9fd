package com.google.ai.edge.litert

import android.content.res.AssetManager

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close() = Unit
}

class TensorBuffer internal constructor() : JniHandle() {
    @Throws(LiteRtException::class)
    external fun writeFloat(data: FloatArray)

    @Throws(LiteRtException::class)
    external fun readFloat(): FloatArray
}

class Environment private constructor() : JniHandle()

class CompiledModel private constructor() : JniHandle() {
    class Options(vararg accelerators: Accelerator) {
        internal val wanted = accelerators
    }

    @Throws(LiteRtException::class)
    external fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer>

    @Throws(LiteRtException::class)
    external fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer>

    @Throws(LiteRtException::class)
    external fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0)

    companion object {
        @JvmStatic
        @Throws(LiteRtException::class)
        external fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel
    }
}
