// What the application reads: images, labels, weights, expected probabilities. Every function throws NpyError
// for a file that does not hold what it should, naming the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rdu::digits {

inline constexpr size_t kPixels = 64;
inline constexpr size_t kHidden = 128;
inline constexpr size_t kClasses = 10;

// As the device takes them (README.md, "Images"): BF16 of pixel / 16, row by row.
struct Images {
  size_t count = 0;
  std::vector<uint16_t> pixels;  // count * kPixels
};

struct Weights {
  std::vector<uint16_t> w1;  // [kPixels][kHidden] BF16
  std::vector<float> b1;     // [kHidden]
  std::vector<uint16_t> w2;  // [kHidden][kClasses] BF16
  std::vector<float> b2;     // [kClasses]
};

// (n, 64) or (n, 8, 8), any integer or floating type, pixel values 0..16.
Images load_images(const std::string& path);
// (images,) integers 0..9.
std::vector<uint8_t> load_labels(const std::string& path, size_t images);
// w1.npy, b1.npy, w2.npy, b2.npy in `folder`.
Weights load_weights(const std::string& folder);
// (images, 10) float32.
std::vector<float> load_probabilities(const std::string& path, size_t images);

// One pixel: rounded to FP32, times 1/16, rounded to BF16 (nearest even), subnormals flushed to zero with
// their sign.
uint16_t pixel_to_bf16(double pixel);

}  // namespace rdu::digits
