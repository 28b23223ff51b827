#include "pcie/record/replay_port.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/access_log.h"
#include "core/error.h"
#include "core/systemc.h"
#include "core/trace.h"
#include "pcie/vfio_user/protocol.h"

namespace rdu::pcie::record {
namespace {

using vfio_user::Request;
using vfio_user::UniqueFd;

std::vector<vfio_user::IrqInfo> irq_infos(const vfio_user::Device& device) {
  std::vector<vfio_user::IrqInfo> infos;
  for (uint32_t i = 0; i < device.device_info().num_irqs; ++i) infos.push_back(device.irq_info(i));
  return infos;
}

/// At most that many bytes, the first of them at `from`.
std::string hex(const std::vector<uint8_t>& data, size_t from = 0) {
  constexpr size_t kShown = 16;
  std::string text;
  if (from > 0) text = fmt::format("[{}]", from);
  for (size_t i = from; i < std::min(data.size(), from + kShown); ++i)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", data[i]);
  if (data.size() > from + kShown) text += " ...";
  return text;
}

std::string outcome(int error, const std::string& good) {
  return error ? fmt::format("error {} ({})", error, std::strerror(error)) : good;
}

std::string region_name(uint32_t region) {
  if (region == vfio_user::kRegionConfig) return "configuration space";
  return region < vfio_user::kRegionRom ? fmt::format("BAR{}", region) : fmt::format("region {}", region);
}

std::string describe(const Request::Content& r) {
  switch (r.kind) {
    case Request::Kind::kRegionRead:
      return fmt::format("read of {}+{:#x}, {} bytes", region_name(r.region), r.offset, r.size);
    case Request::Kind::kRegionWrite:
      return fmt::format("write of {}+{:#x}, {} bytes: {}", region_name(r.region), r.offset, r.size,
                         hex(r.data));
    case Request::Kind::kDmaMap:
      return fmt::format("DMA_MAP of {:#x}, {} bytes", r.iova, r.length);
    case Request::Kind::kDmaUnmap:
      return fmt::format("DMA_UNMAP of {:#x}, {} bytes", r.iova, r.length);
    case Request::Kind::kSetIrqs:
      return fmt::format("SET_IRQS of index {}, {} vectors from {}, flags {:#x}", r.region, r.size, r.start,
                         r.flags);
    case Request::Kind::kReset:
      return "DEVICE_RESET";
    case Request::Kind::kConnect:
      return "a client that connects";
    case Request::Kind::kDisconnect:
      break;
  }
  return "the client's leaving";
}

/// Where two byte strings begin to differ.
size_t first_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  const size_t common = std::min(a.size(), b.size());
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin()).first - a.begin());
}

}  // namespace

std::string describe(const Record& record) {
  const std::string when = core::format_time(record.time);
  switch (record.kind) {
    case Record::Kind::request:
      return fmt::format("{}: request {}, {}", when, record.request.number, describe(record.request));
    case Record::Kind::answer:
      return fmt::format("{}: answer to request {}: {}", when, record.number,
                         outcome(record.error, record.data.empty() ? "done" : hex(record.data)));
    case Record::Kind::dma_read:
      return fmt::format("{}: DMA read of {:#x}, {} bytes, on the link at {}", when, record.address,
                         record.size, core::format_time(record.at));
    case Record::Kind::dma_write:
      return fmt::format("{}: DMA write of {:#x}, {} bytes, on the link at {}: {}", when, record.address,
                         record.size, core::format_time(record.at), hex(record.data));
    case Record::Kind::interrupt:
      return fmt::format("{}: interrupt, index {}, vector {}", when, record.index, record.vector);
    case Record::Kind::end:
      break;
  }
  return fmt::format("{}: the end: {}", when, record.text);
}

ReplayPort::ReplayPort(RecordingReader& file, vfio_user::Device& device, bool compare_hash)
    : file_(file), device_(device), compare_hash_(compare_hash), irqs_(irq_infos(device)) {
  next_ = file_.read();
}

void ReplayPort::advance() {
  ++position_;
  next_ = file_.read();
}

/// Notes the first difference, and has the slice end.
void ReplayPort::differ(const std::string& recorded, const std::string& replayed, const std::string& detail) {
  if (!difference_.empty()) return;
  difference_ = fmt::format("the replay differs from {} at record {}\n  recorded: {}\n  replayed: {}\n",
                            file_.path(), position_ + 1, recorded, replayed);
  if (!detail.empty()) difference_ += "  " + detail + "\n";
  if (!last_request_.empty()) difference_ += "  last request: " + last_request_ + "\n";
  for (const std::string& line : core::AccessLog::get().lines()) difference_ += "  " + line + "\n";
  difference_.pop_back();
  sc_core::sc_pause();
}

void ReplayPort::miss(const std::string& why) {
  differ(describe(*next_), why, "");
}

bool ReplayPort::check_hash(uint64_t recorded) {
  const uint64_t hash = core::TraceHash::get().value();
  if (!compare_hash_ || hash == recorded) return true;
  differ(fmt::format("{}, trace hash {:016x}", describe(*next_), recorded),
         fmt::format("{}: trace hash {:016x}", core::format_time(core::now()), hash),
         "inside the device something went otherwise since the last request");
  return false;
}

/// Whether what the device has just done is what comes next. Then the record stays, for its data.
bool ReplayPort::check(const Record& done) {
  if (!difference_.empty()) return false;
  if (!next_) {
    if (file_.damage().empty()) differ("nothing: the recording has ended", describe(done), "");
    sc_core::sc_pause();  // what a killed recorder's device did afterwards, nobody knows
    return false;
  }
  const Record& r = *next_;
  const bool same_data = done.kind == Record::Kind::dma_read || r.data == done.data;
  const bool same_error = done.kind != Record::Kind::answer || r.error == done.error;
  if (r.kind == done.kind && r.time == done.time && r.number == done.number && same_error &&
      r.at == done.at && r.address == done.address && r.size == done.size && same_data &&
      r.index == done.index && r.vector == done.vector)
    return true;
  std::string detail;
  if (r.kind == done.kind && !same_data && !r.data.empty() && !done.data.empty()) {
    const size_t at = first_difference(r.data, done.data);
    detail = fmt::format("data differ from byte {} on: recorded {}, replayed {}", at, hex(r.data, at),
                         hex(done.data, at));
  }
  differ(describe(r), describe(done), detail);
  return false;
}

std::optional<ReplayPort::Request> ReplayPort::next() {
  if (!difference_.empty() || !next_ || next_->kind != Record::Kind::request) return std::nullopt;
  if (!check_hash(next_->hash)) return std::nullopt;
  ++counts_.requests;
  last_request_ = describe(*next_);
  // Stand-ins for what the host sent along: interrupts that nobody waits for.
  std::vector<UniqueFd> fds;
  for (const uint8_t is_eventfd : next_->descriptors)
    fds.emplace_back(is_eventfd ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1);
  Request request(std::move(next_->request), std::move(fds));
  advance();
  return request;
}

int ReplayPort::perform(Request& request) {
  const Request::Content& asked = request.content();
  switch (asked.kind) {
    case Request::Kind::kDmaMap:
      // Whether the host's file could be mapped is the host's affair. The answer comes next.
      if (next_ && next_->kind == Record::Kind::answer && next_->error) return next_->error;
      windows_[asked.iova] = asked.length;
      device_.dma_mapped(asked.iova, asked.length);
      return 0;
    case Request::Kind::kDmaUnmap: {
      if (asked.flags & vfio_user::wire::kUnmapAll) {
        for (const auto& [iova, length] : windows_) device_.dma_unmapping(iova, length);
        windows_.clear();
        return 0;
      }
      const auto window = windows_.find(asked.iova);
      if (window == windows_.end() || window->second != asked.length) return ENOENT;
      device_.dma_unmapping(asked.iova, asked.length);
      windows_.erase(window);
      return 0;
    }
    case Request::Kind::kSetIrqs: {
      if (asked.region >= device_.device_info().num_irqs) return EINVAL;
      std::vector<UniqueFd> fds;
      for (const UniqueFd& fd : request.fds()) fds.emplace_back(fd.valid() ? ::dup(fd.get()) : -1);
      const int error =
          irqs_.set(asked.region, asked.flags, asked.start, asked.size, asked.data, std::move(fds));
      const uint32_t count = asked.size == 0 ? device_.irq_info(asked.region).count : asked.size;
      if (!error) device_.irqs_changed(asked.region, asked.start, count);
      return error;
    }
    case Request::Kind::kReset:
      return device_.reset();
    case Request::Kind::kConnect:
      device_.connected();
      return 0;
    case Request::Kind::kDisconnect:
      device_.disconnected();
      windows_.clear();
      irqs_.clear();
      return 0;
    case Request::Kind::kRegionRead:
    case Request::Kind::kRegionWrite:
      break;
  }
  return EINVAL;
}

void ReplayPort::answer(Request& request, int error, const uint8_t* data) {
  Record done;
  done.kind = Record::Kind::answer;
  done.time = core::now();
  done.number = request.number();
  done.error = error;
  if (!error && request.kind() == Request::Kind::kRegionRead) done.data.assign(data, data + request.size());
  if (check(done)) advance();
}

int ReplayPort::dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) {
  Record done;
  done.kind = Record::Kind::dma_read;
  done.time = core::now();
  done.at = at;
  done.address = address;
  done.size = size;
  if (!check(done)) {
    std::memset(data, 0, size);
    return 0;
  }
  ++counts_.copies;
  const int error = next_->error;
  if (!error) std::copy(next_->data.begin(), next_->data.end(), data);
  advance();
  return error;
}

int ReplayPort::dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) {
  Record done;
  done.kind = Record::Kind::dma_write;
  done.time = core::now();
  done.at = at;
  done.address = address;
  done.size = size;
  done.data.assign(data, data + size);
  if (!check(done)) return 0;
  ++counts_.copies;
  const int error = next_->error;
  advance();
  return error;
}

bool ReplayPort::interrupt(uint32_t index, uint32_t vector) {
  Record done;
  done.kind = Record::Kind::interrupt;
  done.time = core::now();
  done.index = index;
  done.vector = vector;
  if (!check(done)) return false;
  ++counts_.interrupts;
  advance();
  return irqs_.trigger(index, vector);
}

void ReplayPort::end() {
  if (next_ && next_->kind == Record::Kind::end && check_hash(next_->hash)) advance();
}

}  // namespace rdu::pcie::record
