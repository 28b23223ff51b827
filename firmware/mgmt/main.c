#include "hal/cpu.h"
#include "mgmt/boot.h"
#include "mgmt/service.h"
#include "mgmt/watchdog.h"

int main(void);

int main(void) {
  boot();
  for (;;) {
    watchdog_guard(true);
    service();
    watchdog_guard(false);
    watchdog_kick();
    cpu_wait();
  }
}
