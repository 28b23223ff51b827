#include "inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "npy.h"

namespace rdu::digits {

namespace {

constexpr double kPixelMax = 16;

float flush(float x) {
  return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}

template <typename T>
std::vector<T> values_of(const Npy& array) {
  std::vector<T> values(array.size());
  if (!values.empty()) std::memcpy(values.data(), array.data.data(), array.data.size());
  return values;
}

// The array's elements as they are, if type and shape are as told.
template <typename T>
std::vector<T> exactly(const std::string& path, char kind, const std::vector<size_t>& shape) {
  const Npy array = Npy::load(path);
  Npy expected;
  expected.kind = kind;
  expected.item_size = sizeof(T);
  expected.shape = shape;
  if (array.type() != expected.type() || array.shape != shape)
    throw NpyError(fmt::format("{}: expected {} of shape {}, got {} of shape {}", path, expected.type(),
                               expected.shape_text(), array.type(), array.shape_text()));
  return values_of<T>(array);
}

}  // namespace

uint16_t pixel_to_bf16(double pixel) {
  const float value = flush(flush(static_cast<float>(pixel)) * 0.0625f);
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

Images load_images(const std::string& path) {
  const Npy array = Npy::load(path);
  if (array.kind == 'b')
    throw NpyError(fmt::format("{}: expected integer or floating pixel values, got {}", path, array.type()));
  const auto& shape = array.shape;
  const bool flat = shape.size() == 2 && shape[1] == kPixels;
  const bool square = shape.size() == 3 && shape[1] == 8 && shape[2] == 8;
  if (!flat && !square)
    throw NpyError(fmt::format("{}: expected shape (n, 64) or (n, 8, 8), got {}", path, array.shape_text()));
  if (shape[0] == 0) throw NpyError(fmt::format("{}: holds no image (shape {})", path, array.shape_text()));
  Images images;
  images.count = shape[0];
  images.pixels.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const double pixel = array.value(i);
    if (!(pixel >= 0 && pixel <= kPixelMax))
      throw NpyError(fmt::format("{}: pixel {} of image {} is {}, outside 0..16: scale the images to 0..16",
                                 path, i % kPixels, i / kPixels, pixel));
    images.pixels.push_back(pixel_to_bf16(pixel));
  }
  return images;
}

std::vector<uint8_t> load_labels(const std::string& path, size_t images) {
  const Npy array = Npy::load(path);
  if ((array.kind != 'i' && array.kind != 'u') || array.shape != std::vector<size_t>{images})
    throw NpyError(fmt::format("{}: expected integers of shape ({},), one an image, got {} of shape {}", path,
                               images, array.type(), array.shape_text()));
  std::vector<uint8_t> labels;
  for (size_t i = 0; i < images; ++i) {
    const double label = array.value(i);
    if (label < 0 || label >= kClasses)
      throw NpyError(fmt::format("{}: label {} is {}, no digit", path, i, label));
    labels.push_back(static_cast<uint8_t>(label));
  }
  return labels;
}

Weights load_weights(const std::string& folder) {
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  Weights weights;
  weights.w1 = exactly<uint16_t>(path("w1.npy"), 'u', {kPixels, kHidden});
  weights.b1 = exactly<float>(path("b1.npy"), 'f', {kHidden});
  weights.w2 = exactly<uint16_t>(path("w2.npy"), 'u', {kHidden, kClasses});
  weights.b2 = exactly<float>(path("b2.npy"), 'f', {kClasses});
  return weights;
}

std::vector<float> load_probabilities(const std::string& path, size_t images) {
  return exactly<float>(path, 'f', {images, kClasses});
}

}  // namespace rdu::digits
