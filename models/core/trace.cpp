#include "core/trace.h"

#include <fmt/format.h>
#include <fmt/os.h>

#include <optional>
#include <unordered_map>
#include <vector>

#include "core/error.h"

namespace rdu::core {

struct Tracer::Tracks {
  std::unordered_map<std::string, TrackId> ids;
  std::vector<std::string> names;
};

/// Writes the JSON form that Perfetto and Chromium read: one object a line, so that a trace cut short is
/// still useful. Groups are "processes", tracks are "threads"; times are microseconds with picosecond digits.
class Tracer::Writer {
 public:
  explicit Writer(const std::string& path) : file_(fmt::output_file(path)) { file_.print("[\n"); }

  void name_track(TrackId id, const std::string& full) {
    const size_t dot = full.rfind('.');
    const std::string group = dot == std::string::npos ? "rduvp" : full.substr(0, dot);
    const std::string leaf = dot == std::string::npos ? full : full.substr(dot + 1);
    auto [it, is_new] = groups_.try_emplace(group, groups_.size() + 1);
    if (is_new) {
      event(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"{}"}}}})", it->second, group);
      event(R"({{"ph":"M","pid":{0},"name":"process_sort_index","args":{{"sort_index":{0}}}}})", it->second);
    }
    if (pids_.size() <= id) pids_.resize(id + 1);
    pids_[id] = it->second;
    event(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})", pids_[id], id + 1,
          leaf);
    event(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
          pids_[id], id + 1, id + 1);
  }

  void slice(TrackId track, Time begin, Time end, const std::string& name, CommandTag tag,
             const std::string& detail) {
    event(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":{},"name":"{}"{}}})", pids_[track], track + 1,
          us(begin), us(end - begin), name, args(tag, detail));
    flow(track, begin, tag);
  }

  void instant(TrackId track, Time at, const std::string& name, CommandTag tag, const std::string& detail) {
    // A short slice rather than an instant event: arrows start and end at slices only.
    event(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":0.001,"name":"{}"{}}})", pids_[track], track + 1,
          us(at), name, args(tag, detail));
    flow(track, at, tag);
  }

  void begin_command(CommandTag tag) { flows_.erase(tag); }

  void finish() {
    file_.print("\n]\n");
    file_.close();
  }

 private:
  template <class... T>
  void event(fmt::format_string<T...> format, T&&... values) {
    if (!first_) file_.print(",\n");
    first_ = false;
    file_.print(format, std::forward<T>(values)...);
  }

  static std::string us(Time t) { return fmt::format("{}.{:06}", t / kMicrosecond, t % kMicrosecond); }

  static std::string args(CommandTag tag, const std::string& detail) {
    if (tag == kNoCommand && detail.empty()) return {};
    std::string out = R"(,"args":{)";
    if (tag != kNoCommand) {
      out += fmt::format(R"("command":"queue {} #{}")", (tag - 1) >> 16, (tag - 1) & 0xffff);
      if (!detail.empty()) out += ',';
    }
    if (!detail.empty()) out += fmt::format(R"("detail":"{}")", detail);
    return out + "}";
  }

  /// The first event of a command starts its flow, later ones are steps on it.
  void flow(TrackId track, Time at, CommandTag tag) {
    if (tag == kNoCommand) return;
    const auto [it, is_start] = flows_.try_emplace(tag, next_flow_);
    if (is_start) ++next_flow_;
    event(R"({{"ph":"{}","cat":"command","name":"command","id":{},"pid":{},"tid":{},"ts":{}{}}})",
          is_start ? "s" : "t", it->second, pids_[track], track + 1, us(at), is_start ? "" : R"(,"bp":"e")");
  }

  fmt::ostream file_;
  bool first_ = true;
  std::unordered_map<std::string, size_t> groups_;
  std::vector<size_t> pids_;
  std::unordered_map<CommandTag, uint64_t> flows_;  ///< the arrow of the latest command of each tag
  uint64_t next_flow_ = 1;
};

Tracer::Tracer() : tracks_(std::make_unique<Tracks>()) {}
Tracer::~Tracer() {
  close();
}

Tracer& Tracer::get() {
  static Tracer instance;
  return instance;
}

void Tracer::open(const std::string& path) {
  close();
  try {
    writer_ = std::make_unique<Writer>(path);
  } catch (const std::system_error& e) {
    bad_input(fmt::format("cannot write the trace file '{}': {}", path, e.what()));
  }
  for (TrackId id = 0; id < tracks_->names.size(); ++id) writer_->name_track(id, tracks_->names[id]);
}

void Tracer::close() {
  if (!writer_) return;
  writer_->finish();
  writer_.reset();
}

TrackId Tracer::track(const std::string& name) {
  auto [it, is_new] = tracks_->ids.try_emplace(name, static_cast<TrackId>(tracks_->names.size()));
  if (is_new) {
    tracks_->names.push_back(name);
    if (writer_) writer_->name_track(it->second, name);
  }
  return it->second;
}

void Tracer::slice(TrackId track, Time begin, Time end, const std::string& name, CommandTag tag,
                   const std::string& detail) {
  if (writer_) writer_->slice(track, begin, end, name, tag, detail);
}

void Tracer::instant(TrackId track, Time at, const std::string& name, CommandTag tag,
                     const std::string& detail) {
  if (writer_) writer_->instant(track, at, name, tag, detail);
}

void Tracer::begin_command(CommandTag tag) {
  if (writer_) writer_->begin_command(tag);
}

void Tracer::reset() {
  close();
  *tracks_ = {};
}

TraceHash& TraceHash::get() {
  static TraceHash instance;
  return instance;
}

}  // namespace rdu::core
