/* A pseudo-terminal: raw and line mode, window size, the line discipline's edits and signals' characters. */
#include "conformance.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
// flags: -lutil

int main(void) {
    int master, slave;
    char *line = (char *)anonymous(24 * MIB) + MIB - 4;
    struct winsize size = {.ws_row = 40, .ws_col = 132}, seen;
    struct termios *mode = (struct termios *)(line + 4 * MIB);
    YES(openpty(&master, &slave, NULL, NULL, &size) == 0 && isatty(slave));
    YES(ioctl(slave, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 40 && seen.ws_col == 132);
    YES(write(master, "heLp\x7f\x7flp\n", 9) == 9 && read(slave, line, 100) == 5 && memcmp(line, "helo", 2) == 0);
    line[4] = 0;
    printf("%s\n", line);
    YES(tcgetattr(slave, mode) == 0 && mode->c_lflag & ICANON);
    cfmakeraw(mode);
    YES(tcsetattr(slave, TCSANOW, mode) == 0);
    YES(write(master, "a\x03", 2) == 2 && read(slave, line, 100) == 2 && line[1] == 3);
    tcflush(master, TCIOFLUSH);
    YES(write(slave, "out\n", 4) == 4 && read(master, line, 100) >= 4);
    return failed;
}
