#include "link/link_control.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::link {

namespace control = regs::linkctl::LINK_CONTROL;
namespace status = regs::linkctl::LINK_STATUS;
namespace irq = regs::linkctl::LINK_IRQ;
namespace limit = regs::linkctl::LINK_LIMIT;

namespace {

/// The widest power of two of lanes, from lane 0 on, that are all good.
unsigned usable_width(uint64_t good, unsigned most) {
  unsigned width = 0;
  for (unsigned w = 1; w <= most; w *= 2) {
    const uint64_t mask = (uint64_t{1} << w) - 1;
    if ((good & mask) == mask) width = w;
  }
  return width;
}

}  // namespace

/// One end of a link. Training goes from state to state, phase_time each; from POLLING on an end waits in
/// each state until its partner is there too.
class LinkControl::Link : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Link);

  Link(const sc_core::sc_module_name& name, LinkControl& owner, unsigned index)
      : sc_module(name),
        owner_(owner),
        params_(owner.params_),
        regs_(owner.regs_.LINK[index]),
        track_(core::Tracer::get().track(this->name())) {
    if (params_.plug == "loopback") partner_ = this;
    regs_.CONTROL.on_write([this](uint64_t) { control_written(); });
    regs_.IRQ.on_write([this](uint64_t) { owner_.update_interrupt(); });
    SC_METHOD(phase_over);
    sensitive << phase_end_;
    dont_initialize();
  }

  void connect(Link& other) {
    partner_ = &other;
    other.partner_ = this;
  }

  bool interrupts() const { return regs_.IRQ.get(irq::DONE) && regs_.IRQ.get(irq::ENABLE); }

  void reset() {
    phase_end_.cancel();
    enter(status::STATE_DOWN);
    attempts_ = 0;
  }

 private:
  uint64_t state() const { return regs_.STATUS.get(status::STATE); }
  static bool trains(uint64_t state) {
    return state >= status::STATE_DETECT && state <= status::STATE_EQUALIZATION;
  }
  bool at_least(uint64_t wanted) const { return state() >= wanted && state() <= status::STATE_UP; }

  void control_written() {
    if (regs_.CONTROL.get(control::DISABLE)) {
      phase_end_.cancel();
      leave_partner();
      enter(status::STATE_DOWN);
    }
    if (!regs_.CONTROL.get(control::TRAIN)) return;
    leave_partner();
    ++attempts_;
    regs_.LANES.set_value(0);
    enter(status::STATE_DETECT);
  }

  /// The partner of a link that is up notices that this end goes.
  void leave_partner() {
    if (state() == status::STATE_UP && partner_ && partner_ != this && partner_->state() == status::STATE_UP)
      partner_->fail(status::ERROR_PARTNER_LOST);
  }

  void enter(uint64_t next) {
    const uint64_t before = state();
    core::Tracer& tracer = core::Tracer::get();
    if (tracer.enabled() && trains(before)) tracer.slice(track_, entered_, core::now(), phase_name(before));
    entered_ = core::now();
    over_ = false;
    regs_.STATUS.set_value(status::STATE.set(0, next));
    regs_.SPEED.set_value(0);
    if (trains(next)) phase_end_.notify(core::to_sc(params_.phase_time));
    if (partner_ && partner_ != this && partner_->over_) partner_->phase_over();
  }

  static const char* phase_name(uint64_t state) {
    static constexpr const char* kNames[] = {"down", "detect", "polling", "configuration", "equalization"};
    return kNames[state];
  }

  void end(uint64_t state) {
    enter(state);
    regs_.IRQ.set(irq::DONE, 1);
    owner_.update_interrupt();
  }

  void fail(uint64_t error) {
    phase_end_.cancel();
    end(status::STATE_FAILED);
    regs_.STATUS.set(status::ERROR, error);
  }

  /// The state has lasted as long as it takes; or the partner, for which it waited since, has moved on.
  void phase_over() {
    const uint64_t here = state();
    over_ = true;
    if (here == status::STATE_DETECT) {
      partner_ ? enter(status::STATE_POLLING) : end(status::STATE_NO_PARTNER);
      return;
    }
    if (here == status::STATE_POLLING && params_.failure == "hang") return;
    if (!partner_->at_least(here)) return;
    if (here == status::STATE_POLLING) {
      find_lanes();
    } else if (here == status::STATE_CONFIGURATION) {
      enter(status::STATE_EQUALIZATION);
    } else {
      equalized();
    }
  }

  void find_lanes() {
    const auto lanes = [](const LinkParams& p) { return ((uint64_t{1} << p.lanes) - 1) & ~p.bad_lanes; };
    const uint64_t good = lanes(params_) & lanes(partner_->params_);
    regs_.LANES.set_value(good);
    if (usable_width(good, width_limit()) == 0) {
      fail(status::ERROR_LANES);
    } else {
      enter(status::STATE_CONFIGURATION);
    }
  }

  void equalized() {
    if (params_.failure == "equalization" || attempts_ <= params_.failing_attempts) {
      fail(status::ERROR_EQUALIZATION);
      return;
    }
    const unsigned width =
        usable_width(regs_.LANES.value(), std::min(width_limit(), partner_->width_limit()));
    const uint64_t speed = std::min(speed_limit(), partner_->speed_limit());
    end(status::STATE_UP);
    regs_.STATUS.set(status::WIDTH, width);
    regs_.SPEED.set_value(speed);
  }

  unsigned width_limit() const {
    const uint64_t wanted = regs_.LIMIT.get(limit::WIDTH);
    return static_cast<unsigned>(wanted == 0 ? params_.lanes : std::min(wanted, params_.lanes));
  }
  uint64_t speed_limit() const {
    const uint64_t wanted = regs_.LIMIT.get(limit::SPEED);
    return wanted == 0 ? params_.lane_speed : std::min(wanted, params_.lane_speed);
  }

  LinkControl& owner_;
  const LinkParams& params_;
  regs::linkctl::LINK_t& regs_;
  core::TrackId track_;
  Link* partner_ = nullptr;
  sc_core::sc_event phase_end_{"phase_end"};
  core::Time entered_ = 0;
  bool over_ = false;  ///< the state's time is over: it waits for the partner
  uint64_t attempts_ = 0;
};

LinkControl::LinkControl(const sc_core::sc_module_name& name, const LinkParams& params)
    : sc_module(name), registers(this->name(), regs_), params_(params) {
  if (params_.count > regs_.LINK.size()) {
    core::bad_input(fmt::format("{}: {} links, there are registers for {}", this->name(), params_.count,
                                regs_.LINK.size()));
  }
  for (unsigned i = 0; i < params_.count; ++i)
    links_.push_back(std::make_unique<Link>(fmt::format("link{}", i).c_str(), *this, i));
  regs_.IRQ_STATUS.on_read([this] {
    uint64_t mask = 0;
    for (unsigned i = 0; i < links_.size(); ++i) mask |= uint64_t{links_[i]->interrupts()} << i;
    regs_.IRQ_STATUS.set_value(mask);
  });
  publish();
}

LinkControl::~LinkControl() = default;

void LinkControl::connect(unsigned mine, LinkControl& other, unsigned theirs) {
  if (mine >= links_.size() || theirs >= other.links_.size()) {
    core::bad_input(
        fmt::format("no link {} of {} or {} of {} to connect", mine, name(), theirs, other.name()));
  }
  links_[mine]->connect(*other.links_[theirs]);
}

void LinkControl::publish() {
  regs_.COUNT.set_value(params_.count);
  for (unsigned i = 0; i < links_.size(); ++i) {
    regs_.LINK[i].MAX_WIDTH.set_value(params_.lanes);
    regs_.LINK[i].MAX_SPEED.set_value(params_.lane_speed);
  }
}

void LinkControl::update_interrupt() {
  interrupt.set(
      std::any_of(links_.begin(), links_.end(), [](const auto& link) { return link->interrupts(); }));
}

void LinkControl::reset() {
  for (auto& link : links_) link->reset();
  regs_.reset();
  publish();
  update_interrupt();
}

}  // namespace rdu::link
