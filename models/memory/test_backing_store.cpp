#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "memory/backing_store.h"
#include "test/catch.h"
#include "test/child.h"

using rdu::core::Error;
using rdu::core::ErrorKind;
using rdu::memory::BackingStore;

namespace {

constexpr uint64_t kTiB = uint64_t{1} << 40;

uint64_t word_at(const BackingStore& store, uint64_t offset) {
  uint64_t word = 0;
  store.read(offset, &word, sizeof word);
  return word;
}

ErrorKind kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.kind();
  }
  FAIL("nothing was thrown");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("1.5 TiB cost only the pages that were written") {
  BackingStore store("ddr", 3 * kTiB / 2);
  CHECK(store.touched_bytes() == 0);
  const uint64_t places[] = {0, 4095, kTiB - 4, kTiB + 12345, 3 * kTiB / 2 - 8};
  for (const uint64_t place : places) store.write(place, &place, sizeof place);
  for (const uint64_t place : {places[1], places[2], places[3], places[4]}) {
    CHECK(word_at(store, place) == place);
  }
  CHECK(word_at(store, kTiB / 2) == 0);  // costs nothing
  // Pages 0 and 1, the two around 1 TiB, one beyond, the last.
  constexpr uint64_t kPages = 2 + 2 + 1 + 1;
  CHECK(store.touched_bytes() == kPages * BackingStore::kPage);
  store.clear();
  CHECK(store.touched_bytes() == 0);
  CHECK(word_at(store, kTiB + 12345) == 0);
}

TEST_CASE("zeroes cost no pages, and whole ones are given back") {
  constexpr uint64_t kPage = BackingStore::kPage;
  BackingStore store("hbm", kTiB);
  store.zero(0, kTiB);
  store.zero(5, 100);
  CHECK(store.touched_bytes() == 0);
  const std::vector<uint8_t> ones(10 * kPage, 0xff);
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{0, 10 * kPage},
                                       {kPage, kPage},
                                       {100, 10},
                                       {kPage - 1, 2},
                                       {kPage / 2, 5 * kPage},
                                       {9 * kPage + 1, kPage - 1},
                                       {kPage, 0}}) {
    store.write(0, ones.data(), ones.size());
    store.zero(offset, length);
    const uint64_t end = (offset + length) / kPage;
    const uint64_t whole = end - std::min(end, (offset + kPage - 1) / kPage);
    CHECK(store.touched_bytes() == (10 - whole) * kPage);
    std::vector<uint8_t> expected = ones, found(ones.size());
    std::fill_n(expected.begin() + static_cast<long>(offset), length, 0);
    store.read(0, found.data(), found.size());
    CHECK(found == expected);
  }
  CHECK(kind_of([&] { store.zero(kTiB - 1, 2); }) == ErrorKind::internal);
}

TEST_CASE("nothing outside the capacity is reached") {
  BackingStore store("hbm", 8192);
  std::array<uint8_t, 16> data = {};
  store.write(8176, data.data(), 16);
  CHECK(store.contains(8192, 0));
  CHECK(store.contains(0, 8192));
  CHECK_FALSE(store.contains(8192, 1));
  CHECK_FALSE(store.contains(8191, 2));
  CHECK_FALSE(store.contains(~uint64_t{0}, 2));
  CHECK_FALSE(store.contains(1, ~uint64_t{0}));
  CHECK(kind_of([&] { store.write(8177, data.data(), 16); }) == ErrorKind::internal);
  CHECK(kind_of([&] { store.read(~uint64_t{0} - 7, data.data(), 16); }) == ErrorKind::internal);
  store.read(8192, nullptr, 0);
}

namespace {

/// A file of 1 MiB, as somebody else has it mapped.
struct SharedFile {
  static constexpr uint64_t kSize = 1 << 20;
  int fd = memfd_create("window", MFD_CLOEXEC);
  uint8_t* data = nullptr;

  SharedFile() {
    REQUIRE(ftruncate(fd, kSize) == 0);
    data = static_cast<uint8_t*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    REQUIRE(data != MAP_FAILED);
  }
  ~SharedFile() {
    munmap(data, kSize);
    close(fd);
  }
  uint64_t pages() const {
    struct stat status = {};
    REQUIRE(fstat(fd, &status) == 0);
    return static_cast<uint64_t>(status.st_blocks) * 512 / BackingStore::kPage;
  }
  uint64_t word(uint64_t offset) const {
    uint64_t word = 0;
    std::memcpy(&word, data + offset, sizeof word);
    return word;
  }
};

}  // namespace

TEST_CASE("a part of the store lives in a file for a while, and both sides see the same bytes") {
  constexpr uint64_t kPage = BackingStore::kPage;
  SharedFile file;
  BackingStore store("hbm", kTiB);
  const uint64_t base = kTiB / 2, one = 1, two = 2, three = 3;
  store.write(base - 8, &three, 8);
  store.write(base + 16, &one, 8);
  store.write(base + 4 * kPage, &three, 8);
  std::memset(file.data, 0x55, SharedFile::kSize);  // what was there before is lost
  store.attach(base, 8 * kPage, file.fd, kPage);
  CHECK(store.touched_bytes() == 3 * kPage);
  CHECK(file.word(kPage + 16) == one);
  CHECK(file.word(2 * kPage) == 0);
  CHECK(file.data[9 * kPage] == 0x55);
  CHECK(word_at(store, base - 8) == three);

  std::memcpy(file.data + 3 * kPage + 8, &two, 8);
  CHECK(word_at(store, base + 2 * kPage + 8) == two);
  store.write(base + 8 * kPage - 8, &one, 8);
  CHECK(file.word(9 * kPage - 8) == one);

  // A transfer may run over the edge.
  std::vector<uint8_t> across(2 * kPage, 0x77), found(across.size());
  store.write(base + 7 * kPage, across.data(), across.size());
  CHECK(file.data[9 * kPage - 1] == 0x77);
  store.read(base + 7 * kPage, found.data(), found.size());
  CHECK(found == across);

  SECTION("taking it back keeps what either has written, and empties the file") {
    store.detach(base);
    CHECK(word_at(store, base + 16) == one);
    CHECK(word_at(store, base + 2 * kPage + 8) == two);
    CHECK(word_at(store, base + 4 * kPage) == three);
    CHECK(file.word(kPage + 16) == 0);
    std::memcpy(file.data + kPage + 16, &three, 8);  // nobody's any more
    CHECK(word_at(store, base + 16) == one);
  }
  SECTION("zeroes reach what only the other side has written") {
    store.zero(base + kPage, 3 * kPage);
    CHECK(file.word(3 * kPage + 8) == 0);
    CHECK(word_at(store, base + 16) == one);
    std::memcpy(file.data + 3 * kPage + 8, &two, 8);
    store.zero(base + 2 * kPage + 16, 100);
    CHECK(word_at(store, base + 2 * kPage + 8) == two);
    store.zero(base + 2 * kPage + 8, 100);
    CHECK(word_at(store, base + 2 * kPage + 8) == 0);
  }
  SECTION("and so does clearing all") {
    store.clear();
    CHECK(store.touched_bytes() == 0);
    CHECK(word_at(store, base - 8) == 0);
    CHECK(word_at(store, base + 2 * kPage + 8) == 0);
    CHECK(file.word(kPage + 16) == 0);
  }
  SECTION("parts do not overlap") {
    CHECK(kind_of([&] { store.attach(base, kPage, file.fd, 0); }) == ErrorKind::internal);
    CHECK(kind_of([&] { store.attach(base - kPage, 2 * kPage, file.fd, 0); }) == ErrorKind::internal);
    CHECK(kind_of([&] { store.attach(base + 7 * kPage, kPage, file.fd, 0); }) == ErrorKind::internal);
    CHECK(kind_of([&] { store.attach(kTiB, kPage, file.fd, 0); }) == ErrorKind::internal);
    CHECK(kind_of([&] { store.attach(1, kPage, file.fd, 0); }) == ErrorKind::internal);
    CHECK(kind_of([&] { store.detach(base + kPage); }) == ErrorKind::internal);
    store.attach(base + 8 * kPage, kPage, file.fd, 0);
    store.attach(base - kPage, kPage, file.fd, 10 * kPage);
    CHECK(word_at(store, base - 8) == three);
  }
}

TEST_CASE("attaching and taking back cost only the pages that were written") {
  SharedFile file;
  BackingStore store("hbm", kTiB);
  store.attach(kTiB / 2, SharedFile::kSize, file.fd, 0);
  CHECK(file.pages() == 0);
  file.data[12345] = 1;
  CHECK(store.touched_bytes() == BackingStore::kPage);
  store.detach(kTiB / 2);
  CHECK(file.pages() == 0);
  CHECK(store.touched_bytes() == BackingStore::kPage);
}

TEST_CASE("a capacity that cannot be is refused with the owner's name") {
  CHECK(kind_of([] { BackingStore("socket0.ddr", 0); }) == ErrorKind::bad_input);
  CHECK(kind_of([] { BackingStore("socket0.ddr", 4095); }) == ErrorKind::bad_input);
  try {
    BackingStore("socket0.ddr", uint64_t{1} << 60);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::bad_input);
    CHECK_THAT(e.what(), Catch::Contains("socket0.ddr") && Catch::Contains("1152921504606846976 bytes"));
  }
}
