package kwsembed.app

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import kwsembed.detector.Bundle
import kwsembed.detector.Scorer

/**
 * The bundle's model in LiteRT, on the CPU, where its int8 arithmetic is the one that thresholds were chosen with.
 *
 * Made, used and closed by one thread.
 */
class LiteRtScorer private constructor(
    private val model: CompiledModel,
    private val inputs: List<TensorBuffer>,
    private val outputs: List<TensorBuffer>,
) : Scorer, AutoCloseable {
    override fun score(window: FloatArray): FloatArray {
        inputs[0].writeFloat(window)
        model.run(inputs, outputs)
        return outputs[0].readFloat()
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }

    companion object {
        /** @throws LiteRtException the model cannot be run */
        fun open(assets: AssetManager): LiteRtScorer {
            val model = CompiledModel.create(assets, Bundle.MODEL_FILE, CompiledModel.Options(Accelerator.CPU))
            try {
                return LiteRtScorer(model, model.createInputBuffers(), model.createOutputBuffers())
            } catch (error: LiteRtException) {
                model.close()
                throw error
            }
        }
    }
}
