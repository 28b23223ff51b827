#pragma once

#include <string>
#include <vector>

#include "core/trace.h"
#include "fabric/agcu/memory.h"

namespace rdu::fabric {

/// Requests in the trace file: a slice each, on as many tracks as overlap.
class RequestTracks {
 public:
  /// `name` is the AGCU's hierarchical name, `what` a literal: "load".
  RequestTracks(const std::string& name, const char* what) : name_(name), what_(what) {}
  void slice(const Request& r);

 private:
  struct Lane {
    core::TrackId track;
    core::Time busy_until;
  };
  std::string name_;
  const char* what_;
  std::vector<Lane> lanes_;
};

}  // namespace rdu::fabric
