#pragma once

#include "compiler/graph.h"

/// The digits network (sw/apps/digits/README.md) as programs: one fused, and one for each operator. The
/// mapping is on the page of this folder, with a picture.
///
/// All take `rows`, a number of images; a program's own limits are in Argument.minimum and .multiple. Arrays
/// are row major: x [rows][64] BF16, w1 [64][128] BF16, b1 [128] FP32, acc [rows][128] FP32, h [rows][128]
/// BF16, w2 [128][10] BF16, logits [rows][10] FP32 (without bias), b2 [10] FP32, probabilities [rows][10]
/// FP32.
namespace rdu::compiler::programs {

/// The whole network, `pipelines` of them side by side, each taking every pipelines-th tile of six rows.
/// Weights and biases are loaded once; all pipelines read the same copy in step, so rows is a multiple of 6 *
/// pipelines. Arguments: x, w1, b1, w2, b2, probabilities, rows.
Graph digits_fused(unsigned pipelines = 6);

/// acc = x w1. `row_groups` * `column_groups` (a divisor of 4) PCUs. Arguments: x, w1, acc, rows.
Graph digits_matmul1(unsigned row_groups = 4, unsigned column_groups = 2);
/// h = max(acc + b1, 0) in BF16. Arguments: acc, b1, h, rows.
Graph digits_bias_relu(unsigned pipelines = 8);
/// logits = h w2. Arguments: h, w2, logits, rows.
Graph digits_matmul2(unsigned pipelines = 8);
/// probabilities = softmax(logits + b2). Arguments: logits, b2, probabilities, rows.
Graph digits_softmax(unsigned pipelines = 8);

}  // namespace rdu::compiler::programs
