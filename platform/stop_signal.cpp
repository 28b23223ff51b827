#include "platform/stop_signal.h"

#include <csignal>

namespace rdu::platform {
namespace {

std::function<void()> g_stop;

void on_signal(int) {
  if (g_stop) g_stop();
}

}  // namespace

StopSignal::StopSignal(std::function<void()> stop) {
  g_stop = std::move(stop);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  g_stop = nullptr;
}

}  // namespace rdu::platform
