#pragma once

#include <cstdint>

#include "core/serial_resource.h"

namespace rdu::memory {

/// When one memory channel has done a request. This is the plain model: a data bus of constant rate and a
/// constant access latency, which requests overlap. A model of banks, rows and refresh replaces this class:
/// it gets everything such a model needs.
class ChannelTiming {
 public:
  struct Slot {
    core::Time begin;  ///< the data bus is taken from here
    core::Time end;    ///< ... to here
    core::Time done;   ///< the request is answered
  };

  /// One of `channels` that together move `bandwidth` bytes a second.
  ChannelTiming(uint64_t bandwidth, unsigned channels, core::Time latency)
      : bus_(bandwidth, channels), latency_(latency) {}

  /// `address` counts the channel's own bytes from 0. Called in order of `arrive`.
  Slot access(core::Time arrive, [[maybe_unused]] uint64_t address, uint64_t bytes,
              [[maybe_unused]] bool write) {
    const core::SerialResource::Slot bus = bus_.take(arrive, bytes);
    return {bus.begin, bus.end, bus.end + latency_};
  }

  void reset() { bus_.reset(); }

 private:
  core::SerialResource bus_;
  core::Time latency_;
};

}  // namespace rdu::memory
