// The parts of rdu-digits that need no device: files, conversion of pixels, the heat map, the report.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "heat_map.h"
#include "inputs.h"
#include "npy.h"
#include "report.h"
#include "test/catch.h"

using namespace rdu::digits;
using Catch::Matchers::Contains;

namespace {

// A file of this process that goes with the test.
struct File {
  File() {
    static int count = 0;
    path = (std::filesystem::temp_directory_path() /
            ("rdu-digits-" + std::to_string(getpid()) + "-" + std::to_string(count++)))
               .string();
  }
  ~File() { std::remove(path.c_str()); }
  std::string path;
};

std::string npy(const std::string& header, const std::string& data, char major = 1) {
  std::string bytes = std::string("\x93NUMPY") + major + '\0';
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  if (major > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

Npy parse(const std::string& bytes) {
  File file;
  std::ofstream(file.path, std::ios::binary) << bytes;
  return Npy::load(file.path);
}

std::string error_of(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const NpyError& error) {
    return error.what();
  }
  return "no error";
}

void save(const std::string& path, char kind, size_t item, std::vector<size_t> shape, const void* data) {
  Npy array;
  array.kind = kind;
  array.item_size = item;
  array.shape = std::move(shape);
  array.data.resize(array.size() * item);
  if (!array.data.empty()) std::memcpy(array.data.data(), data, array.data.size());
  array.save(path);
}

rdu_activity activity(uint32_t kind, uint32_t row, uint32_t column, uint64_t busy) {
  rdu_activity a{};
  a.kind = kind;
  a.row = row;
  a.column = column;
  a.busy = busy;
  return a;
}

}  // namespace

TEST_CASE("npy: every number type reads as its value") {
  CHECK(parse(npy(dictionary("|u1", "(3,)"), "\x01\x80\xff")).value(2) == 255);
  CHECK(parse(npy(dictionary("|i1", "(1,)"), "\xff")).value(0) == -1);
  CHECK(parse(npy(dictionary("<i2", "(1,)"), "\xfe\xff")).value(0) == -2);
  CHECK(parse(npy(dictionary(">i2", "(1, 1)"), "\xff\xfe")).value(0) == -2);
  CHECK(parse(npy(dictionary("<u8", "()"), std::string("\x05\0\0\0\0\0\0\0", 8))).value(0) == 5);
  CHECK(parse(npy(dictionary(">f4", "(1,)"), std::string("\x3f\x80\0\0", 4))).value(0) == 1);
  CHECK(parse(npy(dictionary("<f8", "(1,)"), std::string("\0\0\0\0\0\0\xe0\x3f", 8), 2)).value(0) == 0.5);
  const Npy halves =
      parse(npy(dictionary("<f2", "(4,)"), std::string("\x00\x3c\x01\x00\x00\xfc\x01\x7c", 8)));
  CHECK(halves.value(0) == 1);
  CHECK(halves.value(1) == std::ldexp(1, -24));
  CHECK(halves.value(2) == -HUGE_VAL);
  CHECK(std::isnan(halves.value(3)));
  CHECK(halves.type() == "float16");
  CHECK(parse(npy(dictionary("|u1", "(0, 64)"), "")).size() == 0);
}

TEST_CASE("npy: what is no plain array is refused with the reason") {
  CHECK_THAT(error_of("junk, nothing else"), Contains("magic number"));
  CHECK_THAT(error_of(""), Contains("magic number"));
  CHECK_THAT(error_of(npy(dictionary("|u1", "(1,)"), "x", 3)), Contains("version 3.0"));
  CHECK_THAT(error_of(npy(dictionary("|O", "(1,)"), "x")), Contains("'|O'"));
  CHECK_THAT(error_of(npy(dictionary("<c8", "(1,)"), "12345678")), Contains("'<c8'"));
  CHECK_THAT(error_of(npy(dictionary("<U3", "(1,)"), "12345678")), Contains("'<U3'"));
  CHECK_THAT(error_of(npy(dictionary("<f16", "(1,)"), "12345678")), Contains("'<f16'"));
  CHECK_THAT(error_of(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234")),
             Contains("structured"));
  CHECK_THAT(error_of(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "1234")),
             Contains("Fortran order"));
  CHECK_THAT(error_of(npy(dictionary("<f4", "(2,)"), "1234")),
             Contains("truncated") && Contains("8 bytes, there are 4"));
  CHECK_THAT(error_of(npy(dictionary("<f4", "(1,)"), "12345")), Contains("too long"));
  CHECK_THAT(error_of(npy(dictionary("<f4", "(99999999999, 99999999999)"), "")), Contains("absurd size"));
  for (const char* broken :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,", "{'descr': '<f4', 'x': 1}"})
    CHECK_THAT(error_of(npy(broken, "1234")), Contains("header is damaged"));
  std::string cut = npy(dictionary("<f4", "(1,)"), "1234");
  CHECK_THAT(error_of(cut.substr(0, 40)), Contains("ends within its header"));
  CHECK_THROWS_WITH(Npy::load("/nonexistent/x.npy"), "/nonexistent/x.npy: No such file or directory");
}

TEST_CASE("npy: what is written reads back, and has numpy's layout") {
  File file;
  Npy::of({1.5f, -2, 3, 4, 5, 6}, {2, 3}).save(file.path);
  const Npy array = Npy::load(file.path);
  CHECK(array.type() == "float32");
  CHECK(array.shape_text() == "(2, 3)");
  CHECK(array.value(1) == -2);
  CHECK(std::filesystem::file_size(file.path) == 128 + 24);
  CHECK_THROWS_WITH(array.save("/nonexistent/x.npy"), Contains("/nonexistent/x.npy"));
}

TEST_CASE("pixels become BF16 of a sixteenth") {
  CHECK(pixel_to_bf16(0) == 0);
  CHECK(pixel_to_bf16(16) == 0x3f80);
  CHECK(pixel_to_bf16(1) == 0x3d80);
  CHECK(pixel_to_bf16(-0.0) == 0x8000);
  CHECK(pixel_to_bf16(16 * (1 + 1.0 / 256)) == 0x3f80);  // tie to even
  CHECK(pixel_to_bf16(16 * (1 + 3.0 / 256)) == 0x3f82);
  CHECK(pixel_to_bf16(16 * (1 + 1.0 / 256 + 1e-6)) == 0x3f81);
  CHECK(pixel_to_bf16(1e-300) == 0);
  CHECK(pixel_to_bf16(0x1p-124) == 0);  // a sixteenth of it is subnormal
  CHECK(pixel_to_bf16(0x1p-122) == 0x0080);
}

TEST_CASE("images, labels and expected values: shapes and ranges") {
  File file;
  std::vector<uint8_t> pixels(2 * 64, 16);
  save(file.path, 'u', 1, {2, 8, 8}, pixels.data());
  const Images images = load_images(file.path);
  CHECK(images.count == 2);
  CHECK(images.pixels.size() == 128);
  CHECK(images.pixels[5] == 0x3f80);
  pixels[70] = 17;
  save(file.path, 'u', 1, {2, 64}, pixels.data());
  CHECK_THROWS_WITH(load_images(file.path), Contains("pixel 6 of image 1 is 17, outside 0..16"));
  save(file.path, 'u', 1, {64, 2}, pixels.data());
  CHECK_THROWS_WITH(load_images(file.path), Contains("expected shape (n, 64) or (n, 8, 8), got (64, 2)"));
  save(file.path, 'u', 1, {0, 64}, pixels.data());
  CHECK_THROWS_WITH(load_images(file.path), Contains("holds no image"));
  save(file.path, 'b', 1, {1, 64}, pixels.data());
  CHECK_THROWS_WITH(load_images(file.path), Contains("got bool"));
  std::vector<float> nan(64, std::nanf(""));
  save(file.path, 'f', 4, {1, 64}, nan.data());
  CHECK_THROWS_WITH(load_images(file.path), Contains("is nan"));

  const int64_t labels[] = {3, 10};
  save(file.path, 'i', 8, {2}, labels);
  CHECK_THROWS_WITH(load_labels(file.path, 2), Contains("label 1 is 10, no digit"));
  CHECK_THROWS_WITH(load_labels(file.path, 3), Contains("(3,)"));
  CHECK_THROWS_WITH(load_probabilities(file.path, 2),
                    Contains("expected float32 of shape (2, 10), got int64"));
}

TEST_CASE("the shipped weights load") {
  const Weights weights = load_weights(RDU_DIGITS_WEIGHTS);
  CHECK(weights.w1.size() == 64 * 128);
  CHECK(weights.b2.size() == 10);
  CHECK_THROWS_WITH(load_weights("/nonexistent"), Contains("/nonexistent/w1.npy"));
}

TEST_CASE("heat map: percents in their places, with and without colour") {
  const std::vector<rdu_activity> units = {
      activity(RDU_KIND_PCU, 0, 0, 50),  activity(RDU_KIND_PCU, 0, 1, 0),
      activity(RDU_KIND_PCU, 1, 0, 1),   activity(RDU_KIND_PCU, 1, 1, 200),
      activity(RDU_KIND_PMU, 1, 1, 333), activity(RDU_KIND_AGCU, 0, 1, 1000),
      activity(RDU_KIND_AGCU, 0, 1, 10)};
  HeatMapStyle style;
  CHECK(heat_map(units, 1000, style) ==
        "     PCUs       PMUs       AGCUs\n"
        "       0   1      0   1      W   E\n"
        "   0   5   ·                   100\n"
        "   1   1  20         33\n");
  style.width = 40;
  CHECK(std::string(heat_map(units, 0, style)).find("100") == std::string::npos);
  style.colour = true;
  CHECK_THAT(heat_map(units, 1000, style), Contains("\x1b[48;5;160m\x1b[38;5;231m100 \x1b[0m"));
  CHECK(heat_map({}, 10, style).size() > 0);
}

TEST_CASE("texts for people") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1234567) == "1,234,567");
  CHECK(time_text(999) == "999 ns");
  CHECK(time_text(12345) == "12.345 us");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
}

TEST_CASE("findings: accuracy and the first difference") {
  Findings f;
  f.images = 2;
  f.labels = {3, 4};
  RunResult run;
  run.probabilities.assign(20, 0.05f);
  run.probabilities[3] = 0.5f;
  run.probabilities[15] = 0.5f;
  run.kernels.push_back({"digits_fused", 1000, 2000, 1600, 3200});
  run.total_ns = 4000;
  f.fused = run;
  CHECK(f.correct() == 1);
  CHECK_FALSE(f.compared());
  CHECK(f.first_difference().empty());
  f.expected = run.probabilities;
  CHECK(f.compared());
  CHECK(f.first_difference().empty());
  f.unfused = run;
  f.unfused->total_ns = 10000;
  f.unfused->probabilities[12] = 0.25f;
  CHECK(f.first_difference() == "image 1, class 2: fused 0.05 (0x3d4ccccd), unfused 0.25 (0x3e800000)");
  f.host_seconds = 1;
  const std::string text = table(f, {});
  CHECK_THAT(text, Contains("50.00 % (1 of 2 images)") && Contains("DIFFERENT") &&
                       Contains("fusion is 2.50 times as fast") && Contains("1.000 us"));
  File file;
  write_json(f, file.path);
  std::ifstream in(file.path);
  const std::string json{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  CHECK_THAT(json,
             Contains("\"accuracy\": 0.5") && Contains("\"bit_exact\": false") && Contains("\"ratio\": 2.5"));
  CHECK_THROWS_WITH(write_json(f, "/nonexistent/report.json"), Contains("/nonexistent/report.json"));
}
