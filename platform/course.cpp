#include "platform/course.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/trace.h"
#include "pcie/live_port.h"
#include "pcie/record/recording_port.h"
#include "pcie/record/replay_port.h"
#include "platform/control/control.h"
#include "platform/control/watched_port.h"
#include "platform/replay.h"

namespace rdu::platform {
namespace {

namespace record = pcie::record;
namespace vfio_user = pcie::vfio_user;

/// Exit status of a replay that differed.
constexpr int kDiffered = 6;

const char* describe(Simulation::End end) {
  switch (end) {
    case Simulation::End::stopped:
      return "stopped";
    case Simulation::End::host_left:
      return "the host has left";
    case Simulation::End::no_host:
      return "no host came within --host-timeout";
    case Simulation::End::killed:
      return "the debugger has ended it";
    case Simulation::End::time_over:
      return "--run-for is over";
    case Simulation::End::settled:
      break;
  }
  return "nothing is left to do";
}

class LiveCourse : public Course {
 public:
  explicit LiveCourse(const CourseParts& p)
      : limits_{p.options.once, p.options.host_timeout, p.run_for},
        is_quiet_(p.options.quiet),
        host_(connect(p)),
        simulation_(p.socket.endpoint(), host_, p.coupling, p.console) {
    simulation_.set_debugger(p.debugger);
    if (p.options.control.empty()) return;
    control_ = std::make_unique<control::Control>(p.options.control, p.socket, simulation_, p.report, events_,
                                                  [this] {
                                                    if (server_) server_->wake();
                                                  });
    simulation_.set_control(control_.get());
  }

  Ending run() override {
    if (server_) {
      server_->start();
      if (!is_quiet_) fmt::print("rduvp: waiting for a host on unix:{}\n", server_->path());
      std::fflush(stdout);
    }
    const Simulation::End end = simulation_.run(limits_);
    Ending ending{describe(end), 0, ""};
    if (recording_) recording_->end(ending.text);
    if (end == Simulation::End::no_host) {
      ending.complaint = fmt::format("bad input: {}", ending.text);
    } else if (recording_ && !recording_->failure().empty()) {
      ending.complaint = fmt::format("bad input: --record: {}", recording_->failure());
    }
    if (!ending.complaint.empty()) ending.status = core::exit_status(core::ErrorKind::bad_input);
    return ending;
  }

  void stop() override { simulation_.stop(); }

 private:
  /// Who is plugged in; null for nobody.
  pcie::HostPort* connect(const CourseParts& p) {
    if (p.options.socket.empty()) return nullptr;
    vfio_user::Options options;
    options.log = [](const std::string& line) { fmt::print(stderr, "rduvp: {}\n", line); };
    server_ = std::make_unique<vfio_user::Server>(p.options.socket, p.socket.endpoint(), options);
    live_ = std::make_unique<pcie::LivePort>(*server_);
    pcie::HostPort* host = live_.get();
    if (!p.options.record.empty()) {
      try {
        file_ = std::make_unique<record::RecordingWriter>(p.options.record, p.identity.json());
      } catch (const record::RecordingError& e) {
        core::bad_input(fmt::format("--record: {}", e.what()));
      }
      recording_ = std::make_unique<record::RecordingPort>(*live_, *file_);
      host = recording_.get();
    }
    if (!p.options.control.empty()) {
      watched_ = std::make_unique<control::WatchedPort>(*host, events_);
      host = watched_.get();
    }
    p.socket.endpoint().plug_in(*host);
    return host;
  }

  Simulation::Limits limits_;
  bool is_quiet_;
  std::unique_ptr<vfio_user::Server> server_;
  std::unique_ptr<pcie::LivePort> live_;
  std::unique_ptr<record::RecordingWriter> file_;
  std::unique_ptr<record::RecordingPort> recording_;
  control::EventLog events_;
  std::unique_ptr<control::WatchedPort> watched_;
  pcie::HostPort* host_;
  Simulation simulation_;
  std::unique_ptr<control::Control> control_;
};

class ReplayCourse : public Course {
 public:
  ReplayCourse(const CourseParts& p, record::RecordingReader& file, bool is_same)
      : file_(file),
        is_anyway_(p.options.replay_anyway),
        host_(file, p.socket.endpoint(), is_same),
        replay_(p.socket.endpoint(), host_, p.coupling.slice, p.console) {
    p.socket.endpoint().plug_in(host_);
    replay_.set_debugger(p.debugger);
    run_for_ = p.run_for;
  }

  Ending run() override {
    const Replay::End end = replay_.run(run_for_);
    const auto& counts = host_.counts();
    const std::string so_far = fmt::format("{} requests, {} DMA accesses, {} interrupts", counts.requests,
                                           counts.copies, counts.interrupts);
    switch (end) {
      case Replay::End::same:
        return {fmt::format("the replay is as recorded: {}, trace hash {:016x}", so_far,
                            core::TraceHash::get().value()),
                0, ""};
      case Replay::End::differed:
        return {fmt::format("the replay differs, after {}", so_far), kDiffered, host_.difference()};
      case Replay::End::cut_off: {
        const std::string text = fmt::format("no difference in {}", so_far);
        if (is_anyway_) return {fmt::format("{}, but {}", text, file_.damage()), 0, ""};
        return {
            text, core::exit_status(core::ErrorKind::bad_input),
            fmt::format("bad input: {} (what came before was replayed; --replay-anyway is content with it)",
                        file_.damage())};
      }
      case Replay::End::stopped:
        return {fmt::format("stopped, after {}", so_far), 0, ""};
      case Replay::End::killed:
        return {describe(Simulation::End::killed), 0, ""};
      case Replay::End::time_over:
        break;
    }
    return {describe(Simulation::End::time_over), 0, ""};
  }

  void stop() override { replay_.stop(); }

 private:
  record::RecordingReader& file_;
  bool is_anyway_;
  record::ReplayPort host_;
  Replay replay_;
  core::Time run_for_ = core::kNever;
};

}  // namespace

std::unique_ptr<Course> live_course(const CourseParts& parts) {
  return std::make_unique<LiveCourse>(parts);
}

std::unique_ptr<Course> replay_course(const CourseParts& parts, record::RecordingReader& recording,
                                      const Identity& recorded) {
  const std::vector<std::string> differences = recorded.differences(parts.identity);
  if (!differences.empty()) {
    std::string text = fmt::format("{} was recorded with something else:", recording.path());
    for (const std::string& line : differences) text += "\n  " + line;
    if (!parts.options.replay_anyway) core::bad_input(text + "\n  (--replay-anyway tries it)");
    fmt::print(stderr, "rduvp: {}\n", text);
  }
  return std::make_unique<ReplayCourse>(parts, recording, differences.empty());
}

}  // namespace rdu::platform
