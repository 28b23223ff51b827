#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/access_log.h"
#include "core/parameter.h"
#include "core/serial_resource.h"
#include "core/systemc.h"
#include "core/transfer.h"

namespace rdu::noc {

/// A target's connection to the top-level network.
struct TlnPortParams {
  core::Time request_latency = 12'500;   ///< ps
  core::Time response_latency = 12'500;  ///< ps
  uint64_t bandwidth = 0;                ///< bytes per second, each direction

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(request_latency, {"request_latency", Unit::time, "from an initiator to this target, nothing queued",
                        "ours: 20 fabric cycles", 1, core::kMillisecond});
    v(response_latency,
      {"response_latency", Unit::time, "from this target back to the initiator, nothing queued",
       "ours: 20 fabric cycles", 1, core::kMillisecond});
    v(bandwidth, {"bandwidth", Unit::bandwidth, "of the port, each direction",
                  "ours: no bottleneck in front of its target", 1'000'000, 100'000'000'000'000});
  }
};

struct TlnParams {
  core::Time lookahead = 625;
  uint64_t header = 16;
  core::Time error_latency = 25'000;
  TlnPortParams hbm{12'500, 12'500, 2'048'000'000'000};
  TlnPortParams ddr{12'500, 12'500, 256'000'000'000};
  TlnPortParams host{12'500, 12'500, 128'000'000'000};
  TlnPortParams ram{12'500, 12'500, 51'200'000'000};

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(lookahead, {"lookahead", Unit::time,
                  "time after its issue at which a transfer is arbitrated; changes no result, only host time",
                  "ours: one fabric cycle", 1, core::kMicrosecond});
    v(header,
      {"header", Unit::bytes, "what a request or a response takes of a port besides data", "ours", 0, 256});
    v(error_latency, {"error_latency", Unit::time, "answer to a transfer that no target takes", "ours", 1,
                      core::kMillisecond});
    v.group("hbm", hbm);
    v.group("ddr", ddr);
    v.group("host", host);
    v.group("ram", ram);
  }
};

/// The top-level network of a socket: routes transfers by address to the targets attached to it.
///
/// Transfers are taken in order of (issue, initiator, order of posting by that initiator). A transfer is
/// taken when the kernel's time has passed its issue, so that everything else with an earlier or equal issue
/// time has been posted: the order in which the simulator runs initiators never shows. README.md has the
/// timing.
class Tln : public sc_core::sc_module, public core::TransferPort {
 public:
  Tln(const sc_core::sc_module_name& name, const TlnParams& params);

  /// Addresses base to base + size - 1 belong to `target`. Before the simulation starts. Throws bad_input if
  /// the range is empty, wraps, or overlaps another's, and if the port answers faster than the lookahead.
  void attach(uint64_t base, uint64_t size, core::TransferTarget& target, const std::string& target_name,
              const TlnPortParams& port);

  /// Throws an internal error for a transfer without data, length or client, or issued in the past. Between
  /// post() and completed() the owner may still change `write` (a copy that is stopped withdraws its write),
  /// nothing else.
  void post(core::Transfer& t) override;
  bool debug(uint64_t address, uint8_t* data, uint64_t length, bool write) override;

  /// What a target's port has passed.
  struct PortStatistics {
    std::string name;
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;
    uint64_t refused = 0;  ///< of these, transfers that the target answered with an error
  };
  std::vector<PortStatistics> statistics() const;
  /// Transfers that no target took.
  uint64_t decode_errors() const { return decode_errors_; }
  /// Transfers posted and not yet taken.
  size_t pending() const { return queue_.size(); }

 private:
  struct Port {
    uint64_t base;
    uint64_t size;
    core::TransferTarget* target;
    core::Time request_latency;
    core::Time response_latency;
    core::SerialResource requests;
    core::SerialResource responses;
    core::AccessLog::Place place;
    PortStatistics statistics;
  };
  struct Entry {
    core::Time issue;
    uint32_t initiator;
    uint64_t sequence;
    core::Transfer* transfer;
  };

  static bool later(const Entry& a, const Entry& b);
  Port* route(uint64_t address, uint64_t length);
  void arbitrate();
  void carry_out(core::Transfer& t, core::Time issue);
  void log(const core::Transfer& t, core::Time issue, const Port* port) const;
  void schedule();

  TlnParams params_;
  std::vector<Port> ports_;
  core::AccessLog::Place nowhere_;  ///< what no target takes
  std::vector<Entry> queue_;        ///< a heap, the next transfer in front
  uint64_t sequence_ = 0;
  uint64_t decode_errors_ = 0;
  sc_core::sc_event wake_;
  core::Time wake_at_ = core::kNever;
  bool arbitrating_ = false;
};

}  // namespace rdu::noc
