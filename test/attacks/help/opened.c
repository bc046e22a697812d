/* Prints `watching`, and `opened` each time that somebody opens one of the files that it is given (inotify(7)). */
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int count, char **paths) {
	char events[4096];
	int watch = inotify_init();
	for (int at = 1; at < count; at++)
		if (inotify_add_watch(watch, paths[at], IN_OPEN) < 0) {
			perror(paths[at]);
			return 1;
		}
	puts("watching");
	fflush(stdout);
	while (read(watch, events, sizeof(events)) > 0) {
		puts("opened");
		fflush(stdout);
	}
	return 0;
}
