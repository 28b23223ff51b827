#include "noc/tln.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::noc {
namespace {

// What happened, in the trace hash.
constexpr uint64_t kRead = 0x10;
constexpr uint64_t kWrite = 0x11;
constexpr uint64_t kAnswer = 0x12;
constexpr uint64_t kUpdate = 0x13;

constexpr size_t kUsualPending = 4096;  // the queue grows beyond by itself

}  // namespace

Tln::Tln(const sc_core::sc_module_name& name, const TlnParams& params)
    : sc_core::sc_module(name),
      params_(params),
      nowhere_(core::AccessLog::get().place(std::string(this->name()) + ", no target:")) {
  if (params_.lookahead == 0) {
    core::bad_input(fmt::format("{}: the lookahead must be at least 1 ps", this->name()));
  }
  if (params_.error_latency < params_.lookahead) {
    core::bad_input(fmt::format("{}: error_latency must not be shorter than the lookahead", this->name()));
  }
  queue_.reserve(kUsualPending);
  SC_HAS_PROCESS(Tln);
  SC_METHOD(arbitrate);
  sensitive << wake_;
  dont_initialize();
}

void Tln::attach(uint64_t base, uint64_t size, core::TransferTarget& target, const std::string& target_name,
                 const TlnPortParams& port) {
  if (size == 0 || size - 1 > ~uint64_t{0} - base) {
    core::bad_input(
        fmt::format("{}: {} bytes at {:#x} for '{}' are no address range", name(), size, base, target_name));
  }
  for (const Port& other : ports_) {
    if (base <= other.base + (other.size - 1) && other.base <= base + (size - 1)) {
      core::bad_input(fmt::format("{}: the addresses of '{}' and '{}' overlap", name(), target_name,
                                  other.statistics.name));
    }
  }
  if (port.bandwidth == 0) {
    core::bad_input(fmt::format("{}: the port of '{}' has no bandwidth", name(), target_name));
  }
  if (port.request_latency + port.response_latency < params_.lookahead) {
    core::bad_input(
        fmt::format("{}: request and response latency of '{}' together must not be shorter than "
                    "the lookahead",
                    name(), target_name));
  }
  PortStatistics statistics;
  statistics.name = target_name;
  ports_.push_back({base, size, &target, port.request_latency, port.response_latency,
                    core::SerialResource(port.bandwidth), core::SerialResource(port.bandwidth),
                    core::AccessLog::get().place(std::string(name()) + "." + target_name),
                    std::move(statistics)});
}

bool Tln::later(const Entry& a, const Entry& b) {
  if (a.issue != b.issue) return a.issue > b.issue;
  if (a.initiator != b.initiator) return a.initiator > b.initiator;
  return a.sequence > b.sequence;
}

void Tln::post(core::Transfer& t) {
  if ((!t.data && !t.zero) || t.length == 0 || !t.client) {
    throw core::Error(
        core::ErrorKind::internal, name(),
        fmt::format("initiator {} posted a transfer without data, length or client", t.initiator));
  }
  if (t.issue < core::now()) {
    throw core::Error(core::ErrorKind::internal, name(),
                      fmt::format("initiator {} posted a transfer that was issued in the past, at {}",
                                  t.initiator, core::format_time(t.issue)));
  }
  queue_.push_back({t.issue, t.initiator, sequence_++, &t});
  std::push_heap(queue_.begin(), queue_.end(), later);
  if (!arbitrating_) schedule();
}

void Tln::schedule() {
  if (queue_.empty()) return;
  const core::Time at = queue_.front().issue + params_.lookahead;
  if (at >= wake_at_) return;
  wake_at_ = at;
  wake_.notify(core::to_sc(at - core::now()));  // replaces a later one
}

void Tln::arbitrate() {
  // Nobody can post a transfer issued before now any more, so everything issued before is in its final order.
  // Taking all of it, and not only what is a full lookahead old, saves kernel events and changes nothing:
  // answers lie at least a lookahead after the issue, hence not in the past.
  const core::Time now = core::now();
  wake_at_ = core::kNever;
  arbitrating_ = true;
  while (!queue_.empty() && queue_.front().issue < now) {
    const Entry entry = queue_.front();
    std::pop_heap(queue_.begin(), queue_.end(), later);
    queue_.pop_back();
    carry_out(*entry.transfer, entry.issue);
  }
  arbitrating_ = false;
  schedule();
}

Tln::Port* Tln::route(uint64_t address, uint64_t length) {
  for (Port& port : ports_) {
    if (address < port.base || address - port.base >= port.size) continue;
    return length <= port.size - (address - port.base) ? &port : nullptr;
  }
  return nullptr;
}

void Tln::log(const core::Transfer& t, core::Time issue, const Port* port) const {
  core::AccessLog::Access access;
  access.sort = core::AccessLog::Sort::transfers;
  access.write = t.write;
  access.length = t.length;
  access.place = port ? port->place : nowhere_;
  access.address = t.address;
  access.value = t.initiator;
  access.when = issue;
  core::AccessLog::get().add(access);
}

void Tln::carry_out(core::Transfer& t, core::Time issue) {
  core::TraceHash& hash = core::TraceHash::get();
  const bool is_update = t.write && t.modify;
  hash.add(is_update ? kUpdate : t.write ? kWrite : kRead, issue, t.address, t.length);
  Port* port = route(t.address, t.length);
  log(t, issue, port);
  if (!port) {
    ++decode_errors_;
    t.status = core::TransferStatus::decode_error;
    t.done = issue + params_.error_latency;
  } else {
    const uint64_t data = t.zero ? 0 : t.length;
    const core::Time arrive =
        port->requests.take(issue + port->request_latency, params_.header + (t.write ? data : 0)).end;
    t.status = core::TransferStatus::ok;
    t.done = arrive;
    if (is_update) {
      port->target->update(t, t.address - port->base, arrive);
    } else if (!t.zero) {
      port->target->access(t, t.address - port->base, arrive);
    } else if (t.write) {  // else it was withdrawn, and has no place for data
      port->target->zero(t, t.address - port->base, arrive);
    }
    if (t.done < arrive) {
      throw core::Error(core::ErrorKind::internal, name(),
                        fmt::format("'{}' answered a transfer before it arrived", port->statistics.name));
    }
    const bool ok = t.status == core::TransferStatus::ok;
    t.done = port->responses.take(t.done, params_.header + (t.write || !ok ? 0 : data)).end +
             port->response_latency;
    PortStatistics& s = port->statistics;
    if (!ok) ++s.refused;
    if (t.write) {
      ++s.writes;
      s.bytes_written += ok ? data : 0;
    } else {
      ++s.reads;
      s.bytes_read += ok ? data : 0;
    }
  }
  hash.add(kAnswer, t.done, t.initiator, static_cast<uint64_t>(t.status));
  t.client->completed(t);
}

bool Tln::debug(uint64_t address, uint8_t* data, uint64_t length, bool write) {
  Port* port = route(address, length);
  return port && port->target->debug(address - port->base, data, length, write);
}

std::vector<Tln::PortStatistics> Tln::statistics() const {
  std::vector<PortStatistics> all;
  all.reserve(ports_.size());
  for (const Port& port : ports_) all.push_back(port.statistics);
  return all;
}

}  // namespace rdu::noc
