#include "mgmt/boot.h"
#include "mgmt/service.h"
#include "mgmt/watchdog.h"

int main(void);

int main(void) {
  boot();
  for (;;) {
    service();
    watchdog_sleep();
  }
}
