#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/transfer.h"
#include "pcie/dma_port.h"

namespace rdu::pcie {

/// Host memory through the page tables of contexts (rdu_abi.h): HOST_PAGED of the address map. An address's
/// bits 41:39 are the context, the rest is the offset in its host segment.
///
/// Tables lie in host memory and are read by DMA, 64 bytes (8 entries) at a time; what was read is kept in a
/// cache of such lines, all levels together (four ways, the least recently used makes room). An entry that is
/// not valid is looked up again each time, so only a valid one that changes needs forget().
///
/// Time: each line that is missing costs a read over the link, one after the other, and transfers that need
/// it wait for it. A transfer is cut at page boundaries after all its pages are known; its parts follow one
/// another.
class PagedHost : public core::TransferTarget {
 public:
  /// `root`: HOSTCTL.HOST_TABLE[context].ROOT. `refused` hears of transfers without a valid entry; what else
  /// fails tells the port's owner.
  PagedHost(DmaPort& port, uint64_t cache_lines, std::function<uint64_t(unsigned context)> root,
            std::function<void(const DmaFailure&)> refused);

  /// Refused with access_denied if a page has no entry that is valid (for a write: writable); then nothing
  /// has moved. If the host refuses a part, those before it have moved.
  void access(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override;

  /// Forgets what is kept of a context's tables.
  void forget(unsigned context);
  void forget_all();

  /// Lines that were read.
  uint64_t table_reads() const { return table_reads_; }

 private:
  static constexpr uint64_t kPage = 4096, kLineBytes = 64, kEntries = kLineBytes / 8;
  struct Line {
    bool valid = false;
    unsigned context = 0;
    uint64_t address = 0;
    core::Time ready = 0;   ///< when its bytes are here
    uint64_t last_use = 0;  ///< running number
    std::array<uint64_t, kEntries> entries{};
  };
  enum class Walk { found, no_entry, failed };
  struct Step {
    unsigned context;
    bool write;
    core::Time time;  ///< at which the walk has got this far
    core::TransferStatus status = core::TransferStatus::ok;
    uint64_t page = 0;  ///< found: its bus address
  };

  /// Reads an entry at a bus address. False: step.status says why.
  using Fetch = std::function<bool(Step& step, uint64_t address, uint64_t* entry)>;
  Walk walk(Step& step, uint64_t offset, const Fetch& fetch) const;
  bool fetch(Step& step, uint64_t address, uint64_t* entry);
  Line& line_for(unsigned context, uint64_t address);

  DmaPort& port_;
  std::function<uint64_t(unsigned)> root_;
  std::function<void(const DmaFailure&)> refused_;
  std::vector<Line> lines_;
  uint64_t uses_ = 0;
  core::Time walker_free_ = 0;
  uint64_t table_reads_ = 0;
  std::vector<uint64_t> pages_;  ///< of the transfer at hand
};

}  // namespace rdu::pcie
