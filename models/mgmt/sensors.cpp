#include "mgmt/sensors.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::mgmt {

namespace sensor = regs::sensors;

namespace {

constexpr uint64_t kOne = uint64_t{1} << 32;

/// exp(-x) for x in [0, 1), both in 32 bits of fraction: the power series, exact to the last bits.
uint64_t series(uint64_t x) {
  __int128 sum = 0;
  __int128 term = static_cast<__int128>(1) << 60;
  for (int n = 1; term != 0; ++n) {
    sum += term;
    term = -(term * static_cast<__int128>(x) / static_cast<__int128>(kOne)) / n;
  }
  return static_cast<uint64_t>(sum >> 28);
}

int64_t as_signed(uint64_t bits) {
  return static_cast<int32_t>(static_cast<uint32_t>(bits));
}

}  // namespace

uint64_t decay(core::Time elapsed, core::Time tau) {
  static const uint64_t kPerE = series(kOne - 1);  // exp(-1)
  uint64_t whole = elapsed / tau;
  if (whole >= 32) return 0;
  const auto rest = static_cast<uint64_t>((static_cast<unsigned __int128>(elapsed % tau) << 32) / tau);
  uint64_t left = series(rest);
  for (; whole != 0; --whole)
    left = static_cast<uint64_t>(static_cast<unsigned __int128>(left) * kPerE >> 32);
  return left;
}

Sensors::Sensors(const sc_core::sc_module_name& name, const SensorParams& params, std::vector<Part> parts)
    : sc_module(name), registers(this->name(), regs_), params_(params) {
  if (parts.size() + 1 > regs_.SENSOR.size()) {
    throw core::Error(
        core::ErrorKind::internal, this->name(),
        fmt::format("{} parts, there are registers for {}", parts.size(), regs_.SENSOR.size() - 1));
  }
  channels_.resize(parts.size() + 1);
  channels_[0].part = {Kind::socket, 0, params.socket_static, params.socket_voltage,
                       [] { return uint64_t{0}; }};
  for (size_t n = 0; n < parts.size(); ++n) channels_[n + 1].part = std::move(parts[n]);

  std::vector<int64_t> idle;
  for (const Channel& c : channels_) idle.push_back(static_cast<int64_t>(c.part.static_mw) * 1000);
  for (size_t n = 1; n < idle.size(); ++n) idle[0] += idle[n];
  for (unsigned n = 0; n < channels_.size(); ++n) {
    Channel& c = channels_[n];
    c.power_uw = idle[n];
    c.resting_uk = c.temperature_uk = target_uk(n, idle);
    bind(n);
  }
  regs_.IRQ_STATUS.on_read([this] {
    look();
    uint64_t mask = 0;
    for (unsigned n = 0; n < channels_.size(); ++n)
      mask |= uint64_t{(regs_.SENSOR[n].STATUS.value() & regs_.SENSOR[n].IRQ_ENABLE.value()) != 0} << n;
    regs_.IRQ_STATUS.set_value(mask);
  });
  publish();
  SC_METHOD(look);
  sensitive << crossing_;
  dont_initialize();
}

void Sensors::bind(unsigned n) {
  auto& s = regs_.SENSOR[n];
  Channel& c = channels_[n];
  s.TEMPERATURE.on_read([this, n, &s] {
    look();
    s.TEMPERATURE.set_value(static_cast<uint32_t>(reading(n) / 1000));
  });
  s.POWER.on_read([this, &s, &c] {
    look();
    s.POWER.set_value(static_cast<uint32_t>(c.power_uw / 1000));
  });
  s.VOLTAGE.on_read([this, &s, &c] {
    look();
    // mW / mV is A; times uOhm is uV.
    const uint64_t drop_uv = static_cast<uint64_t>(c.power_uw) / 1000 * params_.load_line / c.part.supply_mv;
    s.VOLTAGE.set_value(c.part.supply_mv - std::min(c.part.supply_mv, drop_uv / 1000));
  });
  s.ENERGY.on_read([this, &s, &c] {
    look();
    s.ENERGY.set_value(static_cast<uint64_t>(c.energy_fj / 1'000'000'000));
  });
  s.STATUS.on_read([this] { look(); });
  s.STATUS.on_write([this](uint64_t) { update_interrupt(); });
  for (core::Register* reg : {&s.LOW, &s.HIGH, &s.CRITICAL, &s.IRQ_ENABLE, &s.OVERRIDE, &s.OVERRIDE_VALUE}) {
    reg->on_write([this](uint64_t) {
      watching_ = std::any_of(regs_.SENSOR.begin(), regs_.SENSOR.end(),
                              [](const auto& one) { return one.IRQ_ENABLE.value() != 0; });
      look();
    });
  }
}

/// Where a temperature settles: above the package by the part's power, which is above ambient by the
/// socket's.
int64_t Sensors::target_uk(unsigned n, const std::vector<int64_t>& power_uw) const {
  int64_t target = static_cast<int64_t>(params_.ambient) * 1000;
  target += power_uw[0] * static_cast<int64_t>(params_.package_resistance) / 1000;
  if (n != 0) target += power_uw[n] * static_cast<int64_t>(params_.part_resistance) / 1000;
  return target;
}

/// Brings energy, power and temperature from the last time to now: the activity in between counts as evenly
/// spread.
void Sensors::advance() {
  const core::Time elapsed = core::now() - advanced_;
  if (elapsed == 0) return;
  advanced_ = core::now();
  std::vector<int64_t> average(channels_.size());
  unsigned __int128 total_fj = 0;
  for (size_t n = channels_.size(); n-- > 0;) {
    Channel& c = channels_[n];
    const uint64_t active = c.part.active_pj();
    // mW times ps is fJ.
    unsigned __int128 fj =
        static_cast<unsigned __int128>(c.part.static_mw) * elapsed +
        static_cast<unsigned __int128>(active < c.seen_pj ? active : active - c.seen_pj) * 1000;
    c.seen_pj = active;
    total_fj += fj;
    if (n == 0) fj = total_fj;
    c.energy_fj += fj;
    average[n] = static_cast<int64_t>(fj * 1000 / elapsed);
  }
  const uint64_t power_left = decay(elapsed, params_.power_time);
  const uint64_t heat_left = decay(elapsed, params_.thermal_time);
  const auto relax = [](int64_t from, int64_t to, uint64_t left) {
    return to + static_cast<int64_t>(static_cast<__int128>(from - to) * static_cast<int64_t>(left) /
                                     static_cast<int64_t>(kOne));
  };
  for (unsigned n = 0; n < channels_.size(); ++n) {
    Channel& c = channels_[n];
    c.power_uw = relax(c.power_uw, average[n], power_left);
    c.temperature_uk = relax(c.temperature_uk, target_uk(n, average), heat_left);
  }
}

int64_t Sensors::reading(unsigned n) const {
  const auto& s = regs_.SENSOR[n];
  if (s.OVERRIDE.get(sensor::SENSOR_OVERRIDE::ENABLE)) return as_signed(s.OVERRIDE_VALUE.value()) * 1000;
  return channels_[n].temperature_uk;
}

void Sensors::notice() {
  if (watching_ && core::now() - advanced_ >= params_.interval) look();
}

void Sensors::look() {
  advance();
  for (unsigned n = 0; n < channels_.size(); ++n) thresholds(n);
  update_interrupt();
  predict();
}

void Sensors::thresholds(unsigned n) {
  auto& s = regs_.SENSOR[n];
  const int64_t t = reading(n);
  uint8_t now = 0;
  if (t < as_signed(s.LOW.value()) * 1000) now |= sensor::SENSOR_STATUS::LOW.mask();
  if (t > as_signed(s.HIGH.value()) * 1000) now |= sensor::SENSOR_STATUS::HIGH.mask();
  if (t > as_signed(s.CRITICAL.value()) * 1000) now |= sensor::SENSOR_STATUS::CRITICAL.mask();
  s.STATUS.set_value(s.STATUS.value() | (now & ~channels_[n].above));
  channels_[n].above = now;
}

/// When a resting part passes a threshold, kNever if it does not: by halving, since the decay is monotonic.
core::Time Sensors::time_to(const Channel& c, int64_t threshold_uk, bool falling) const {
  const auto passed = [&](int64_t t) { return falling ? t < threshold_uk : t > threshold_uk; };
  if (passed(c.temperature_uk) || !passed(c.resting_uk)) return core::kNever;
  core::Time before = 0;
  core::Time after = 32 * params_.thermal_time;
  while (after - before > core::kMicrosecond) {
    const core::Time middle = before + (after - before) / 2;
    const auto left = static_cast<int64_t>(decay(middle, params_.thermal_time));
    const int64_t t =
        c.resting_uk + static_cast<int64_t>(static_cast<__int128>(c.temperature_uk - c.resting_uk) * left /
                                            static_cast<int64_t>(kOne));
    (passed(t) ? after : before) = middle;
  }
  return after;
}

/// An idle chip has one event at most: when an enabled threshold will be passed by resting alone.
void Sensors::predict() {
  crossing_.cancel();
  if (!watching_) return;
  core::Time next = core::kNever;
  for (unsigned n = 0; n < channels_.size(); ++n) {
    const auto& s = regs_.SENSOR[n];
    if (s.OVERRIDE.get(sensor::SENSOR_OVERRIDE::ENABLE)) continue;
    const auto consider = [&](core::Field enable, const core::Register& threshold, bool falling) {
      if (!s.IRQ_ENABLE.get(enable)) return;
      next = std::min(next, time_to(channels_[n], as_signed(threshold.value()) * 1000, falling));
    };
    consider(sensor::SENSOR_IRQ_ENABLE::LOW, s.LOW, true);
    consider(sensor::SENSOR_IRQ_ENABLE::HIGH, s.HIGH, false);
    consider(sensor::SENSOR_IRQ_ENABLE::CRITICAL, s.CRITICAL, false);
  }
  if (next != core::kNever) crossing_.notify(core::to_sc(next));
}

void Sensors::update_interrupt() {
  interrupt.set(std::any_of(regs_.SENSOR.begin(), regs_.SENSOR.end(),
                            [](const auto& s) { return (s.STATUS.value() & s.IRQ_ENABLE.value()) != 0; }));
}

void Sensors::publish() {
  regs_.COUNT.set_value(channels_.size());
  for (unsigned n = 0; n < channels_.size(); ++n) {
    auto& info = regs_.SENSOR[n].INFO;
    info.set(sensor::SENSOR_INFO::KIND, static_cast<uint64_t>(channels_[n].part.kind));
    info.set(sensor::SENSOR_INFO::INDEX, channels_[n].part.index);
  }
}

void Sensors::reset() {
  crossing_.cancel();
  watching_ = false;
  regs_.reset();
  publish();
  update_interrupt();
}

}  // namespace rdu::mgmt
