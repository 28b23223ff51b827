#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/time.h"

/// What happened when. Two consumers share one stream of events: the trace file (Perfetto opens it; one track
/// a unit, a memory channel, the firmware and the host boundary) and the trace hash (part of the statistics,
/// always on).
///
/// An event carries the id of the host command that caused it, if one did; the trace file draws arrows along
/// it from the host's doorbell to the units that worked for it.
namespace rdu::core {

/// A host command, followed through every layer: (queue pair << 16 | running number of the submission, modulo
/// 65536), plus one so that 0 means "no command".
using CommandTag = uint32_t;
inline constexpr CommandTag kNoCommand = 0;

/// A row in the trace file.
using TrackId = uint32_t;

class Tracer {
 public:
  static Tracer& get();

  ~Tracer();

  /// Starts a trace file. Throws bad_input if it cannot be written.
  void open(const std::string& path);
  void close();
  bool enabled() const { return writer_ != nullptr; }

  /// Tracks are named hierarchically, "socket0.tile0.pcu[3][2]"; the part before the last dot becomes the
  /// group that Perfetto shows the track in. Cheap; call once a unit and keep the id. Ids are stable within a
  /// run.
  TrackId track(const std::string& name);

  /// A stretch of work from begin to end (ps). `detail` ("bytes=256") is shown with it; pass {} where there
  /// is none. Only call when enabled(): building strings costs time.
  void slice(TrackId track, Time begin, Time end, const std::string& name, CommandTag tag = kNoCommand,
             const std::string& detail = {});
  void instant(TrackId track, Time at, const std::string& name, CommandTag tag = kNoCommand,
               const std::string& detail = {});

  /// The host has submitted a command of this tag: the next event that carries it begins a new arrow. (Tags
  /// come again, after 65,536 submissions and with the next host.)
  void begin_command(CommandTag tag);

  /// Forgets tracks and hash; for tests that run several simulations in one process.
  void reset();

 private:
  Tracer();
  class Writer;
  std::unique_ptr<Writer> writer_;
  struct Tracks;
  std::unique_ptr<Tracks> tracks_;
};

/// The trace hash: order and content of everything architecturally visible (register accesses with their
/// times, memory requests, kernel and unit times). Independent of how work was cut into bursts and of host
/// timing.
class TraceHash {
 public:
  static TraceHash& get();

  /// Mixes one event: what happened (a constant of the caller's), when, and two words about it.
  void add(uint64_t what, Time when, uint64_t a, uint64_t b) {
    mix(what ^ (when << 8));
    mix(a);
    mix(b);
  }
  uint64_t value() const { return state_; }
  void reset() { state_ = kSeed; }

 private:
  static constexpr uint64_t kSeed = 0x9e3779b97f4a7c15u;
  void mix(uint64_t x) {
    state_ ^= x;
    state_ *= 0xff51afd7ed558ccdu;
    state_ ^= state_ >> 32;
  }
  uint64_t state_ = kSeed;
};

}  // namespace rdu::core
