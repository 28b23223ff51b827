#include <sys/mman.h>
#include <sys/resource.h>

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
  for (const BackingStore::Kind kind : {BackingStore::Kind::anonymous, BackingStore::Kind::shared}) {
    BackingStore store("ddr", 3 * kTiB / 2, kind);
    CHECK(store.touched_bytes() == 0);
    const uint64_t places[] = {0, 4095, kTiB - 4, kTiB + 12345, 3 * kTiB / 2 - 8};
    for (const uint64_t place : places) store.write(place, &place, sizeof place);
    for (const uint64_t place : {places[1], places[2], places[3], places[4]}) {
      CHECK(word_at(store, place) == place);
    }
    if (kind == BackingStore::Kind::anonymous) CHECK(word_at(store, kTiB / 2) == 0);  // costs nothing
    // Pages 0 and 1, the two around 1 TiB, one beyond, the last.
    constexpr uint64_t kPages = 2 + 2 + 1 + 1;
    CHECK(store.touched_bytes() == kPages * BackingStore::kPage);
    store.clear();
    CHECK(store.touched_bytes() == 0);
    CHECK(word_at(store, kTiB + 12345) == 0);
  }
}

TEST_CASE("zeroes cost no pages, and whole ones are given back") {
  for (const BackingStore::Kind kind : {BackingStore::Kind::anonymous, BackingStore::Kind::shared}) {
    constexpr uint64_t kPage = BackingStore::kPage;
    BackingStore store("hbm", kTiB, kind);
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
      CHECK(store.touched_bytes() == (10 - whole) * kPage);  // before it is read: that takes pages of a file
      std::vector<uint8_t> expected = ones, found(ones.size());
      std::fill_n(expected.begin() + static_cast<long>(offset), length, 0);
      store.read(0, found.data(), found.size());
      CHECK(found == expected);
    }
    CHECK(kind_of([&] { store.zero(kTiB - 1, 2); }) == ErrorKind::internal);
  }
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

TEST_CASE("a shared store can be mapped elsewhere") {
  BackingStore store("hbm", 1 << 20, BackingStore::Kind::shared);
  REQUIRE(store.fd() >= 0);
  void* other = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, store.fd(), 4096);
  REQUIRE(other != MAP_FAILED);
  const uint64_t mark = 0x1122334455667788;
  std::memcpy(static_cast<uint8_t*>(other) + 16, &mark, sizeof mark);
  CHECK(word_at(store, 4096 + 16) == mark);
  CHECK(store.touched_bytes() == BackingStore::kPage);  // written past the store, and still counted
  munmap(other, 8192);
  CHECK(BackingStore("private", 4096).shared_data() == nullptr);
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
