#include <array>
#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "core/error.h"
#include "pcie/paged_host.h"
#include "pcie/test_host.h"
#include "regs/hostif.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::pcie;
using core::Transfer;
using core::TransferStatus;

namespace {

namespace dma_error = regs::hostif::DMA_ERROR;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSpan = uint64_t{1} << 39;

/// A host with page tables in its memory, made by an allocator that knows nothing of the walker.
struct Bench : DmaPort::Owner {
  PcieParams params;
  FakeHost machine;
  const char* barrier = nullptr;
  std::vector<DmaFailure> failures;
  std::array<uint64_t, 8> roots{};
  uint64_t next_page = machine.base + kPage;
  DmaPort port{"pcie", params, *this};
  PagedHost paged{port, 64, [this](unsigned c) { return roots[c]; },
                  [this](const DmaFailure& f) { failures.push_back(f); }};

  HostPort* host() override { return &machine; }
  const char* dma_barrier() const override { return barrier; }
  void dma_failed(const DmaFailure& f) override { failures.push_back(f); }

  uint64_t new_page() { return std::exchange(next_page, next_page + kPage); }
  uint64_t entry(uint64_t table, uint64_t index) {
    uint64_t e = 0;
    std::memcpy(&e, machine.at(table + 8 * index), 8);
    return e;
  }
  void set_entry(uint64_t table, uint64_t index, uint64_t e) {
    std::memcpy(machine.at(table + 8 * index), &e, 8);
  }
  /// The place of the last level's entry for an offset; makes what is missing on the way.
  std::pair<uint64_t, uint64_t> leaf(unsigned context, uint64_t offset) {
    if (!roots[context]) roots[context] = new_page() | 1;
    uint64_t table = roots[context] & ~uint64_t{0xfff};
    for (const unsigned shift : {30u, 21u}) {
      const uint64_t index = offset >> shift & 511;
      if (!(entry(table, index) & 1)) set_entry(table, index, new_page() | 1);
      table = entry(table, index) & ~uint64_t{0xfff};
    }
    return {table, offset >> 12 & 511};
  }
  uint64_t map(unsigned context, uint64_t offset, bool writable = true) {
    const auto [table, index] = leaf(context, offset);
    const uint64_t page = new_page();
    set_entry(table, index, page | 1 | (writable ? 2 : 0));
    return page;
  }

  Transfer access(bool write, unsigned context, uint64_t offset, uint8_t* data, uint32_t length,
                  core::Time arrive = 0) {
    Transfer t;
    t.write = write;
    t.data = data;
    t.length = length;
    paged.access(t, context * kSpan + offset, arrive);
    return t;
  }
  TransferStatus status(bool write, unsigned context, uint64_t offset, uint32_t length = 8) {
    std::vector<uint8_t> bytes(length);
    return access(write, context, offset, bytes.data(), length).status;
  }
};

}  // namespace

TEST_CASE_METHOD(Bench, "a transfer is split at pages and reaches each where its table says") {
  // Neighbours in the segment that are none in memory, at the edges of all three levels.
  for (const uint64_t edge : {0x1000ull, 0x200000ull, 0x40000000ull, 0x7fc0000000ull}) {
    const uint64_t high = map(2, edge);
    const uint64_t low = map(2, edge - kPage);
    std::array<uint8_t, 300> out, in{};
    for (unsigned i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(i + edge / kPage);
    REQUIRE(access(true, 2, edge - 100, out.data(), 300).status == TransferStatus::ok);
    CHECK(std::memcmp(machine.at(low + kPage - 100), out.data(), 100) == 0);
    CHECK(std::memcmp(machine.at(high), out.data() + 100, 200) == 0);
    REQUIRE(access(false, 2, edge - 100, in.data(), 300).status == TransferStatus::ok);
    CHECK(in == out);
    std::array<uint8_t, 300> seen{};
    REQUIRE(paged.debug(2 * kSpan + edge - 100, seen.data(), 300, false));
    CHECK(seen == out);
    REQUIRE(paged.debug(2 * kSpan + edge - 100, in.data() + 1, 1, true));
    CHECK(*machine.at(low + kPage - 100) == out[1]);
  }
  CHECK(failures.empty());
}

TEST_CASE_METHOD(Bench, "what is refused: nothing has moved, and it is told what and whose") {
  const uint64_t page = map(1, 0x5000);
  map(1, 0x7000, false);
  leaf(1, 0x8000000);
  std::vector<uint8_t> data(2 * kPage, 0xee);

  SECTION("a context without a table") {
    CHECK(status(false, 3, 0) == TransferStatus::access_denied);
    CHECK(failures.at(0).context == 3);
  }
  SECTION("a root that is not valid") {
    roots[1] &= ~uint64_t{1};
    CHECK(status(false, 1, 0x5000) == TransferStatus::access_denied);
  }
  SECTION("no entry in the first table") {
    CHECK(status(false, 1, 0x40000000) == TransferStatus::access_denied);
  }
  SECTION("nor in the second") {
    CHECK(status(false, 1, 0x10000000) == TransferStatus::access_denied);
  }
  SECTION("nor in the last") {
    CHECK(status(false, 1, 0x8000000) == TransferStatus::access_denied);
  }
  SECTION("a write to a page that is not to be written") {
    CHECK(status(false, 1, 0x7000) == TransferStatus::ok);
    CHECK(status(true, 1, 0x7008) == TransferStatus::access_denied);
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].write);
    CHECK(failures[0].address == 0x7008);
  }
  SECTION("one page of two") {
    CHECK(access(true, 1, 0x5800, data.data(), kPage).status == TransferStatus::access_denied);
    CHECK(*machine.at(page + 0x800) == 0);
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].address == 0x6000);
    CHECK(failures[0].length == kPage);
  }
  SECTION("a run into the next context") {
    map(1, kSpan - kPage);
    map(2, 0);
    CHECK(access(true, 1, kSpan - 8, data.data(), 16).status == TransferStatus::access_denied);
    CHECK_FALSE(paged.debug(2 * kSpan - 8, data.data(), 16, false));
  }
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].code == dma_error::CODE_PAGE_TABLE);
  CHECK_FALSE(paged.debug(1 * kSpan + 0x40000000, data.data(), 8, false));
}

TEST_CASE_METHOD(Bench, "pages and tables that the host has not mapped") {
  map(4, 0x5000);
  const auto [table, index] = leaf(4, 0x5000);
  set_entry(table, index, 0x9000000 | 3);
  CHECK(status(true, 4, 0x5010) == TransferStatus::access_denied);
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].code == dma_error::CODE_UNMAPPED);
  CHECK(failures[0].context == 4);
  CHECK(failures[0].address == 0x9000010);
  roots[5] = 0xa000000 | 1;
  CHECK(status(true, 5, 0x5000) == TransferStatus::access_denied);
  REQUIRE(failures.size() == 2);
  CHECK(failures[1].code == dma_error::CODE_UNMAPPED);
  CHECK(failures[1].context == 5);
  CHECK_FALSE(failures[1].write);  // of the table
  barrier = "bus mastering is off";
  CHECK(status(false, 4, 0x6000) == TransferStatus::access_denied);
  CHECK(failures.back().code == dma_error::CODE_BUS_MASTER);
  barrier = nullptr;
  map(4, 0x6000);
  CHECK(status(false, 4, 0x6000) == TransferStatus::ok);
  port.poison_next();
  roots[6] = roots[4];  // its tables are not kept yet
  CHECK(status(false, 6, 0x6000) == TransferStatus::data_error);
  CHECK(failures.back().code == dma_error::CODE_POISONED);
}

TEST_CASE_METHOD(Bench,
                 "what is kept: valid entries, until they are forgotten; entries that come need nothing") {
  const uint64_t page = map(1, 0x5000);
  map(2, 0x5000);
  CHECK(status(false, 1, 0x5000) == TransferStatus::ok);
  CHECK(paged.table_reads() == 3);
  CHECK(status(true, 1, 0x5008) == TransferStatus::ok);
  CHECK(paged.table_reads() == 3);
  CHECK(status(false, 1, 0x6000) == TransferStatus::access_denied);
  const uint64_t other = map(1, 0x6000);
  CHECK(status(false, 1, 0x6000) == TransferStatus::ok);  // now it is there

  const auto [table, index] = leaf(1, 0x5000);
  set_entry(table, index, 0);
  CHECK(status(false, 1, 0x5000) == TransferStatus::ok);  // the old one is still kept
  paged.forget(2);
  CHECK(status(false, 1, 0x5000) == TransferStatus::ok);
  paged.forget(1);
  CHECK(status(false, 1, 0x5000) == TransferStatus::access_denied);
  set_entry(table, index, other | 3);
  uint64_t word = 0x77;
  REQUIRE(access(true, 1, 0x5000, reinterpret_cast<uint8_t*>(&word), 8).status == TransferStatus::ok);
  CHECK(*machine.at(other) == 0x77);
  CHECK(*machine.at(page) == 0);
  // A context never uses what was kept of another, even from the very same tables.
  roots[3] = roots[1];
  const uint64_t before = paged.table_reads();
  CHECK(status(false, 3, 0x5000) == TransferStatus::ok);
  CHECK(paged.table_reads() == before + 3);
  paged.forget_all();
  CHECK(status(false, 3, 0x5000) == TransferStatus::ok);
  CHECK(paged.table_reads() == before + 6);
}

TEST_CASE_METHOD(Bench, "time: a walk costs a round trip a line, and what follows waits for it") {
  constexpr core::Time kOneWay = 400'000;       // ps
  constexpr core::Time kLine = 64 * 1000 / 32;  // 32 bytes a nanosecond
  constexpr core::Time kRead = 2 * kOneWay + kLine;
  map(1, 0x8000);
  map(1, 0x9000);
  map(1, 0x10000);
  std::array<uint8_t, 320> data{};
  constexpr core::Time kData = 320 * 1000 / 32;
  CHECK(access(false, 1, 0x8000, data.data(), 320, 1000).done == 1000 + 3 * kRead + 2 * kOneWay + kData);
  // The neighbour's entry is in the same line; 0x10000's is in the next, of the last level only.
  const core::Time later = 10'000'000;
  CHECK(access(false, 1, 0x9000, data.data(), 320, later).done == later + 2 * kOneWay + kData);
  CHECK(access(true, 1, 0x9000, data.data(), 320, 2 * later).done == 2 * later + kData);
  CHECK(access(false, 1, 0x10000, data.data(), 320, 2 * later).done ==
        2 * later + kRead + 2 * kOneWay + kData);
  // What needs a line that is on its way waits for it.
  paged.forget_all();
  CHECK(access(true, 1, 0x8000, data.data(), 320, 3 * later).done == 3 * later + 3 * kRead + kData);
  CHECK(access(true, 1, 0x9000, data.data(), 320, 3 * later + 5).done == 3 * later + 3 * kRead + 2 * kData);
}

TEST_CASE_METHOD(Bench, "random tables and transfers against a plain copy of what they mean") {
  std::mt19937_64 random(test_seed());
  std::map<std::pair<unsigned, uint64_t>, std::pair<uint64_t, bool>>
      pages;  // (context, page) -> (bus, writable)
  for (int i = 0; i < 60; ++i) {
    const unsigned context = static_cast<unsigned>(random() % 3);
    const uint64_t page = (random() % 2 ? 0 : 0x3fe00) + random() % 0x20;
    if (pages.count({context, page})) continue;
    const bool writable = random() % 4 != 0;
    pages[{context, page}] = {map(context, page * kPage, writable), writable};
  }
  unsigned done = 0, refused = 0;
  for (int i = 0; i < 1500; ++i) {
    const unsigned context = static_cast<unsigned>(random() % 3);
    const uint64_t offset = ((random() % 2 ? 0 : 0x3fe00) + random() % 0x20) * kPage + random() % kPage;
    const auto length = static_cast<uint32_t>(1 + random() % (random() % 4 ? 100 : 3 * kPage));
    const bool write = random() % 2 != 0;
    bool allowed = true;
    for (uint64_t p = offset / kPage; p <= (offset + length - 1) / kPage; ++p) {
      const auto found = pages.find({context, p});
      allowed = allowed && found != pages.end() && (!write || found->second.second);
    }
    std::vector<uint8_t> before = machine.memory, data(length);
    for (uint8_t& byte : data) byte = static_cast<uint8_t>(random());
    const auto status = access(write, context, offset, data.data(), length).status;
    REQUIRE(status == (allowed ? TransferStatus::ok : TransferStatus::access_denied));
    (allowed ? done : refused) += 1;
    for (uint32_t k = 0; k < length && allowed; ++k) {
      uint8_t& byte =
          before[pages.at({context, (offset + k) / kPage}).first + (offset + k) % kPage - machine.base];
      if (write) {
        byte = data[k];
      } else {
        REQUIRE(byte == data[k]);
      }
    }
    REQUIRE(machine.memory == before);
  }
  CHECK(done > 50);
  CHECK(refused > 50);
}
