#include "pcie/paged_host.h"

#include <algorithm>
#include <cstring>

#include "rdu_abi.h"
#include "regs/hostctl.hpp"
#include "regs/hostif.hpp"

namespace rdu::pcie {
namespace {

namespace root_field = regs::hostctl::HOST_TABLE_ROOT;

constexpr unsigned kPageBits = 12, kIndexBits = 9;
constexpr uint64_t kSpan = RDU_HOST_TABLE_SPAN;
constexpr uint64_t kWays = 4;

}  // namespace

PagedHost::PagedHost(DmaPort& port, uint64_t cache_lines, std::function<uint64_t(unsigned)> root,
                     std::function<void(const DmaFailure&)> refused)
    : port_(port), root_(std::move(root)), refused_(std::move(refused)), lines_(cache_lines) {}

PagedHost::Walk PagedHost::walk(Step& step, uint64_t offset, const Fetch& fetch) const {
  const uint64_t root = root_(step.context);
  if (!root_field::VALID.get(root)) return Walk::no_entry;
  uint64_t entry = root & RDU_HOST_ENTRY_ADDRESS;
  for (unsigned level = RDU_HOST_TABLE_LEVELS; level-- > 0;) {
    const uint64_t index = offset >> (kPageBits + kIndexBits * level) & (RDU_HOST_TABLE_ENTRIES - 1);
    const uint64_t address = (entry & RDU_HOST_ENTRY_ADDRESS) + index * sizeof(uint64_t);
    if (!fetch(step, address, &entry)) return Walk::failed;
    if (!(entry & RDU_HOST_ENTRY_VALID)) return Walk::no_entry;
  }
  if (step.write && !(entry & RDU_HOST_ENTRY_WRITE)) return Walk::no_entry;
  step.page = entry & RDU_HOST_ENTRY_ADDRESS;
  return Walk::found;
}

/// The line if it is kept, else the one that makes room for it.
PagedHost::Line& PagedHost::line_for(unsigned context, uint64_t address) {
  // Tables begin with pages, so the low bits alone would put the same entries of all of them together.
  const uint64_t key = (address / kLineBytes * RDU_MAX_CONTEXTS + context) * 0x9e3779b97f4a7c15u >> 32;
  const uint64_t ways = std::min<uint64_t>(kWays, lines_.size());
  Line* const set = &lines_[key % (lines_.size() / ways) * ways];
  Line* oldest = set;
  for (Line* line = set; line != set + ways; ++line) {
    if (line->valid && line->context == context && line->address == address) return *line;
    if (line->last_use < oldest->last_use) oldest = line;
  }
  return *oldest;
}

bool PagedHost::fetch(Step& step, uint64_t address, uint64_t* entry) {
  const uint64_t line_address = address / kLineBytes * kLineBytes;
  const uint64_t index = address % kLineBytes / sizeof(uint64_t);
  Line& line = line_for(step.context, line_address);
  line.last_use = ++uses_;
  const bool kept = line.valid && line.context == step.context && line.address == line_address &&
                    (line.entries[index] & RDU_HOST_ENTRY_VALID);
  if (!kept) {
    core::Transfer read;
    std::array<uint8_t, kLineBytes> bytes;
    read.data = bytes.data();
    read.length = kLineBytes;
    ++table_reads_;
    port_.transfer(read, line_address, std::max(step.time, walker_free_), step.context);
    walker_free_ = read.done;
    step.time = read.done;
    step.status = read.status;
    if (read.status != core::TransferStatus::ok) {
      line = {};
      return false;
    }
    line = {true, step.context, line_address, read.done, uses_, {}};
    std::memcpy(line.entries.data(), bytes.data(), kLineBytes);
  }
  step.time = std::max(step.time, line.ready);
  *entry = line.entries[index];
  return true;
}

void PagedHost::access(core::Transfer& t, uint64_t offset, core::Time arrive) {
  Step step{static_cast<unsigned>(offset / kSpan), t.write, arrive};
  const uint64_t begin = offset % kSpan;
  const auto refuse = [&](uint64_t at) {
    t.status = core::TransferStatus::access_denied;
    t.done = step.time;
    refused_({regs::hostif::DMA_ERROR::CODE_PAGE_TABLE, t.write, step.context, at, t.length});
  };
  if (t.length > kSpan - begin) return refuse(begin);  // the next address is another context's
  const Fetch fetch = [this](Step& s, uint64_t address, uint64_t* entry) {
    return this->fetch(s, address, entry);
  };
  pages_.clear();
  for (uint64_t page = begin / kPage; page <= (begin + t.length - 1) / kPage; ++page) {
    switch (walk(step, page * kPage, fetch)) {
      case Walk::no_entry:
        return refuse(std::max(begin, page * kPage));
      case Walk::failed:
        t.status = step.status;
        t.done = step.time;
        return;
      case Walk::found:
        pages_.push_back(step.page);
    }
  }

  core::Transfer part = t;
  uint64_t at = begin % kPage;
  uint32_t left = t.length;
  for (const uint64_t page : pages_) {
    part.length = static_cast<uint32_t>(std::min<uint64_t>(left, kPage - at));
    port_.transfer(part, page + at, step.time, step.context);
    t.status = part.status;
    t.done = part.done;
    if (t.status != core::TransferStatus::ok) return;
    part.data += part.length;
    left -= part.length;
    at = 0;
  }
}

bool PagedHost::debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) {
  Step step{static_cast<unsigned>(offset / kSpan), write, 0};
  uint64_t at = offset % kSpan;
  if (length > kSpan - at) return false;
  const Fetch peek = [this](Step&, uint64_t address, uint64_t* entry) {
    return port_.debug(address, reinterpret_cast<uint8_t*>(entry), sizeof *entry, false);
  };
  while (length > 0) {
    const uint64_t part = std::min(length, kPage - at % kPage);
    if (walk(step, at, peek) != Walk::found || !port_.debug(step.page + at % kPage, data, part, write))
      return false;
    at += part;
    data += part;
    length -= part;
  }
  return true;
}

void PagedHost::forget(unsigned context) {
  for (Line& line : lines_)
    if (line.context == context) line = {};
}

void PagedHost::forget_all() {
  for (Line& line : lines_) line = {};
}

}  // namespace rdu::pcie
