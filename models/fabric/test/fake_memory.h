#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "core/systemc.h"
#include "core/transfer.h"

namespace rdu::fabric::test {

/// Memory with a network that has nothing but a latency: takes transfers in order of (issue, initiator) one
/// cycle after their issue, and answers `latency(transfer)` after it. Addresses 0 .. size - 1.
class FakeMemory : public sc_core::sc_module, public core::TransferPort {
 public:
  SC_HAS_PROCESS(FakeMemory);
  FakeMemory(const sc_core::sc_module_name& name, size_t size) : sc_module(name), data(size) {
    SC_METHOD(act);
    sensitive << wake_;
    dont_initialize();
  }

  struct Seen {
    core::Time issue;
    core::Time done;
    uint64_t address;
    uint32_t length;
    uint32_t initiator;
    bool write;
    friend bool operator==(const Seen& a, const Seen& b) {
      return a.issue == b.issue && a.done == b.done && a.address == b.address && a.length == b.length &&
             a.initiator == b.initiator && a.write == b.write;
    }
  };

  std::vector<uint8_t> data;
  std::function<core::Time(const core::Transfer&)> latency = [](const core::Transfer&) {
    return core::Time{100'000};
  };
  uint64_t fail_from = ~uint64_t{0};  ///< reads from there on end with a decode error
  /// Transfers that end with a decode error.
  std::function<bool(const core::Transfer&)> fails = [](const core::Transfer&) { return false; };
  std::vector<Seen> seen;
  bool posted_late = false;  ///< a transfer was posted with an issue time that had passed

  void post(core::Transfer& t) override {
    if (t.issue < core::now()) posted_late = true;
    queue_.push_back({t.issue, t.initiator, sequence_++, &t});
    schedule();
  }
  bool debug(uint64_t, uint8_t*, uint64_t, bool) override { return false; }

 private:
  struct Entry {
    core::Time issue;
    uint32_t initiator;
    uint64_t sequence;
    core::Transfer* transfer;
    bool operator<(const Entry& o) const {
      return std::tie(issue, initiator, sequence) < std::tie(o.issue, o.initiator, o.sequence);
    }
  };
  static constexpr core::Time kCycle = 625;

  void schedule() {
    if (queue_.empty()) return;
    const core::Time at = std::min_element(queue_.begin(), queue_.end())->issue + kCycle;
    wake_.cancel();
    wake_.notify(core::to_sc(std::max(at, core::now()) - core::now()));
  }
  void act() {
    while (!queue_.empty()) {
      const auto first = std::min_element(queue_.begin(), queue_.end());
      if (first->issue + kCycle > core::now()) break;
      core::Transfer& t = *first->transfer;
      queue_.erase(first);
      t.done = t.issue + latency(t);
      t.status = core::TransferStatus::ok;
      if (t.address + t.length > data.size() || (!t.write && t.address >= fail_from) || fails(t)) {
        t.status = core::TransferStatus::decode_error;
      } else if (t.write && t.modify) {
        t.modify(&data[t.address], t.data, t.length);
      } else if (t.write) {
        std::memcpy(&data[t.address], t.data, t.length);
      } else {
        std::memcpy(t.data, &data[t.address], t.length);
      }
      seen.push_back({t.issue, t.done, t.address, t.length, t.initiator, t.write});
      t.client->completed(t);
    }
    schedule();
  }

  std::vector<Entry> queue_;
  uint64_t sequence_ = 0;
  sc_core::sc_event wake_;
};

/// Virtual addresses from `offset` on are physical addresses from 0 on, for context 3 alone; the last
/// `read_only` bytes may not be written.
class FakeTranslator : public core::AddressTranslator {
 public:
  static constexpr uint64_t kOffset = 0x7000'0000'0000;
  static constexpr unsigned kContext = 3;

  explicit FakeTranslator(uint64_t size) : size_(size) {}
  uint64_t read_only = 0;

  bool translate(unsigned context, uint64_t address, uint64_t length, bool write,
                 uint64_t* physical) override {
    if (context != kContext || address < kOffset) return false;
    *physical = address - kOffset;
    return *physical + length <= size_ - (write ? read_only : 0);
  }

 private:
  uint64_t size_;
};

}  // namespace rdu::fabric::test
