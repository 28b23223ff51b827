#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "test/catch.h"

extern "C" {
#include "mgmt/extents.h"
#include "mgmt/log_ring.h"
#include "mgmt/ring.h"
#include "rom/elf_image.h"
}
#include "rdu_abi.h"

TEST_CASE("extents: first fit, and neighbouring free pieces are one") {
  constexpr uint64_t kPage = EXTENTS_GRANULE;
  extents e;
  extents_init(&e, 10 * kPage + 5);
  uint64_t a = 1, b = 1, c = 1, d = 1;
  REQUIRE(extents_take(&e, 3 * kPage, &a));
  REQUIRE(extents_take(&e, 1, &b));
  REQUIRE(extents_take(&e, 4 * kPage, &c));
  CHECK(a == 0);
  CHECK(b == 3 * kPage);
  CHECK(c == 4 * kPage);
  CHECK(extents_free_bytes(&e) == 2 * kPage);
  CHECK_FALSE(extents_take(&e, 2 * kPage + 1, &d));
  CHECK_FALSE(extents_take(&e, 0, &d));
  CHECK_FALSE(extents_take(&e, ~uint64_t{0}, &d));
  REQUIRE(extents_give(&e, a));
  REQUIRE(extents_give(&e, b));
  CHECK_FALSE(extents_give(&e, b));
  REQUIRE(extents_take(&e, 4 * kPage, &d));
  CHECK(d == 0);
  REQUIRE(extents_give(&e, c));
  REQUIRE(extents_take(&e, 6 * kPage, &c));
  CHECK(c == 4 * kPage);
}

TEST_CASE("extents: pieces never overlap, whatever the order") {
  std::mt19937 random(1);
  extents e;
  extents_init(&e, 1000 * EXTENTS_GRANULE);
  std::vector<uint64_t> held;
  for (int round = 0; round < 2000; ++round) {
    uint64_t base;
    if (random() % 2 && extents_take(&e, random() % (300 * EXTENTS_GRANULE) + 1, &base)) {
      held.push_back(base);
    } else if (!held.empty()) {
      const size_t victim = random() % held.size();
      REQUIRE(extents_give(&e, held[victim]));
      held.erase(held.begin() + static_cast<long>(victim));
    }
    REQUIRE(e.count == held.size());
    for (uint32_t n = 0; n + 1 < e.count; ++n)
      REQUIRE(e.taken[n].base + e.taken[n].bytes <= e.taken[n + 1].base);
    if (e.count) REQUIRE(e.taken[e.count - 1].base + e.taken[e.count - 1].bytes <= e.bytes);
  }
}

TEST_CASE("ring arithmetic") {
  CHECK(ring_add(3, 2, 8) == 5);
  CHECK(ring_add(6, 2, 8) == 0);
  CHECK(ring_add(0, 8, 8) == 0);
  CHECK(ring_distance(6, 2, 8) == 4);
  CHECK(ring_distance(2, 6, 8) == 4);
  CHECK(ring_distance(5, 5, 8) == 0);
  CHECK(ring_run(6, 5, 8) == 2);
  CHECK(ring_run(6, 1, 8) == 1);
  CHECK(ring_full(0, 7, 8));
  CHECK(ring_full(3, 2, 8));
  CHECK_FALSE(ring_full(3, 3, 8));
  CHECK(ring_full(1, 0, 2));
}

namespace {

std::string text(const log_ring& ring) {
  std::string out(log_ring_size(&ring), '?');
  log_ring_read(&ring, ring.first, out.data(), static_cast<uint32_t>(out.size()));
  return out;
}

}  // namespace

TEST_CASE("the log keeps its latest whole lines") {
  static log_ring ring;
  log_ring_init(&ring);
  std::string all;
  for (int n = 0; n < 2000; ++n) {
    const std::string line =
        "line " + std::to_string(n) + std::string(static_cast<size_t>(n % 7), '.') + "\n";
    log_ring_put(&ring, line.data(), static_cast<uint32_t>(line.size()));
    all += line;
    const std::string kept = text(ring);
    REQUIRE(kept.size() <= LOG_RING_BYTES);
    REQUIRE(all.compare(all.size() - kept.size(), kept.size(), kept) == 0);
    REQUIRE((kept.size() == all.size() || all[all.size() - kept.size() - 1] == '\n'));
    if (kept.size() < all.size()) REQUIRE(kept.size() > LOG_RING_BYTES - 32);
    const auto lines = static_cast<uint64_t>(std::count(kept.begin(), kept.end(), '\n'));
    REQUIRE(ring.lost + lines == static_cast<uint64_t>(n) + 1);
    REQUIRE(log_ring_valid(&ring));
  }
  ring.first = ring.written + 1;
  CHECK_FALSE(log_ring_valid(&ring));
  ring.first = 0;  // more than the ring holds
  CHECK_FALSE(log_ring_valid(&ring));
  std::memset(&ring, 0xa5, sizeof ring);
  CHECK_FALSE(log_ring_valid(&ring));
}

namespace {

/// An ELF file with one PT_LOAD segment, whose every field a test may spoil.
struct Image {
  struct Header {
    uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    uint16_t type = 2, machine = 243;
    uint32_t version = 1;
    uint64_t entry = 0x80000000, headers = 64, sections = 0;
    uint32_t flags = 0;
    uint16_t header_size = 64, program_header_size = 56, count = 1, section_size = 64, sections_count = 0,
             names = 0;
  } header;
  struct Program {
    uint32_t type = 1, flags = 5;
    uint64_t offset = 120, virtual_address = 0x80000000, physical_address = 0x80000000, file_bytes = 8,
             bytes = 100, align = 8;
  } program;
  uint8_t contents[8] = {1, 2, 3, 4, 5, 6, 7, 8};

  uint32_t open(uint64_t size = sizeof(Image)) const {
    std::vector<uint8_t> file(sizeof(Image));
    std::memcpy(file.data(), this, sizeof(Image));
    elf_image image;
    const uint32_t result = elf_open(&image, file.data(), size, 0x80000000, 0x10000);
    elf_segment_result = {};
    if (result == RDU_BOOT_OK) elf_segment(&image, 0, &elf_segment_result);
    return result;
  }
  mutable struct elf_segment elf_segment_result = {};
};
static_assert(sizeof(Image::Header) == 64 && sizeof(Image::Program) == 56);

}  // namespace

TEST_CASE("the boot ROM takes good images only") {
  Image good;
  REQUIRE(good.open() == RDU_BOOT_OK);
  CHECK(good.elf_segment_result.address == 0x80000000);
  CHECK(good.elf_segment_result.file_bytes == 8);
  CHECK(good.elf_segment_result.bytes == 100);

  const auto spoilt = [](auto&& change, uint64_t size = sizeof(Image)) {
    Image image;
    change(image);
    return image.open(size);
  };
  CHECK(spoilt([](Image& i) { std::memset(i.header.ident, 0xff, 16); }) == RDU_BOOT_NO_IMAGE);
  CHECK(spoilt([](Image& i) { std::memset(i.header.ident, 0, 16); }) == RDU_BOOT_NO_IMAGE);
  CHECK(spoilt([](Image&) {}, 0) == RDU_BOOT_NO_IMAGE);
  CHECK(spoilt([](Image&) {}, 63) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image&) {}, 119) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image&) {}, 127) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.ident[1] = 'e'; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.ident[4] = 1; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.ident[5] = 2; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.type = 3; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.machine = 62; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.program_header_size = 32; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.headers = ~uint64_t{0}; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.count = 0xffff; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.count = 0; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.entry = 0x80000064; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.header.entry = 0x80000001; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.program.flags = 6; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.program.file_bytes = 101; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.program.offset = ~uint64_t{0} - 3; }) == RDU_BOOT_BAD_IMAGE);
  CHECK(spoilt([](Image& i) { i.program.physical_address = 0x7fffffff; }) == RDU_BOOT_BAD_SEGMENT);
  CHECK(spoilt([](Image& i) { i.program.physical_address = 0x80010000; }) == RDU_BOOT_BAD_SEGMENT);
  CHECK(spoilt([](Image& i) { i.program.bytes = 0x10001; }) == RDU_BOOT_BAD_SEGMENT);
  CHECK(spoilt([](Image& i) { i.program.bytes = ~uint64_t{0}; }) == RDU_BOOT_BAD_SEGMENT);
}
